"""Records twenty steps of TRL's KTOTrainer, on the recorded Llama with a LoRA of PEFT's.

The answers are the chosen and rejected ones of dpo-training's pairs, drawn so that batches hold several of both kinds, one
of a kind, and none. The adapter's start and what is kept are those of record_dpo_training.py.
"""

import tempfile
from dataclasses import dataclass, field, replace

import torch
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM
from trl import KTOConfig, KTOTrainer

from record_dpo_training import FLAT, STEPS, draw_pairs, save_adapter, tokenizer
from recording import FIXTURES, folder, save_json, save_meta
from trl_recording import arguments, lora, outcome, record_case, start

TOPIC = 'kto-training'
ROWS = 4
METRICS = {
    'kl': 'kl',
    'rewards.chosen': 'rewards/chosen',
    'rewards.rejected': 'rewards/rejected',
    'logps.chosen': 'logps/chosen',
    'logps.rejected': 'logps/rejected',
}
# Batches of four: mixed, one good, none good, all good, mixed.
GOOD = [1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 0]


@dataclass(frozen=True)
class Case:
    options: dict
    theirs: dict
    max_norm: float = FLAT['max_norm']
    adamw: dict = field(default_factory=lambda: FLAT['adamw'])


CASES = {
    'even': Case({}, {}),
    'weighted': Case(
        {'beta': 0.3, 'desirableWeight': 1.5, 'undesirableWeight': 0.8},
        {'beta': 0.3, 'desirable_weight': 1.5, 'undesirable_weight': 0.8},
    ),
}


def draw_rows() -> list[dict]:
    """Twenty rated answers, over and over."""
    pairs = draw_pairs()[: len(GOOD)]
    rows = [
        {
            'prompt_ids': pair['prompt_ids'],
            'completion_ids': pair['chosen_ids' if good else 'rejected_ids'],
            'label': bool(good),
        }
        for pair, good in zip(pairs, GOOD, strict=True)
    ]
    return rows * (STEPS * ROWS // len(GOOD))


def with_mismatched(rows: list[dict]) -> list[dict]:
    """As the trainer prepares them: each prompt with the answer before it in the batch."""
    return [
        row | {'KL_completion_ids': rows[start + (index - 1) % ROWS]['completion_ids']}
        for start in range(0, len(rows), ROWS)
        for index, row in enumerate(rows[start : start + ROWS])
    ]


class Recording(KTOTrainer):
    """KTOTrainer over answers that are tokens already, in their order, which keeps what it computes unrounded."""

    def __init__(self, *args, **options):
        self.losses, self.norms, self.seen = [], [], []
        super().__init__(*args, **options)

    def _prepare_dataset(self, dataset, *_args, **_options):
        return dataset

    def _get_train_sampler(self, *_args):
        return SequentialSampler(self.train_dataset)

    def _compute_loss(self, model, inputs, return_outputs=False):
        before = {theirs: len(self._metrics['train'][theirs]) for theirs in METRICS.values()}
        result = super()._compute_loss(model, inputs, return_outputs)
        self.losses.append((result[0] if return_outputs else result).detach().clone())
        # A batch without answers of a kind logs nothing of them; ours says 0.
        of = lambda name: (self._metrics['train'][name][before[name] :] or [0.0])[-1]  # noqa: E731
        self.seen.append({theirs: of(theirs) for theirs in METRICS.values()})
        return result

    def log(self, logs, *_args):
        if 'grad_norm' in logs:
            self.norms.append(torch.as_tensor(logs['grad_norm']))


def run(case: Case, rows, path=None, disturbance: int | None = None) -> dict:
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / 'llama', attn_implementation='eager')
    with tempfile.TemporaryDirectory() as output:
        trainer = Recording(
            model=base,
            args=KTOConfig(**arguments(case, output)),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer(),
            peft_config=lora(),
        )
        start(trainer.model, disturbance)
        if path:
            save_adapter(trainer.model, path / 'initial')
        trainer.train()
        if path:
            save_adapter(trainer.model, path / 'final')
    return outcome(trainer, METRICS)


def mistakes(case: Case, rows):
    """The case with one thing done wrongly, by name."""
    yield 'beta', replace(case, theirs={**case.theirs, 'beta': case.theirs.get('beta', 0.1) * 1.1}), rows
    yield 'swapped', case, [{**row, 'label': not row['label']} for row in rows]
    yield 'mismatched', case, [{**row, 'KL_completion_ids': row['completion_ids']} for row in rows]


if __name__ == '__main__':
    rows = draw_rows()
    save_json(folder(TOPIC) / 'rows.json', rows[: len(GOOD)])
    prepared = with_mismatched(rows)
    cases = {name: record_case(TOPIC, name, case, prepared, run, mistakes) for name, case in CASES.items()}
    save_meta(TOPIC, __file__, cases, ('torch', 'transformers', 'peft', 'trl', 'safetensors'))
