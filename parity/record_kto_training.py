"""Records twenty steps of TRL's KTOTrainer, on the recorded Llama with a LoRA of PEFT's.

The answers are the chosen and rejected ones of dpo-training's pairs, drawn so that batches hold several of both kinds, one
of a kind, and none. The adapter's start and what is kept are those of record_dpo_training.py.
"""

import tempfile
from dataclasses import dataclass, field, replace

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model_state_dict
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM
from trl import KTOConfig, KTOTrainer

from record_dpo_training import (
    FLAT,
    LARGEST_ROUNDING,
    LEAST_SENSITIVITY,
    STEPS,
    draw_pairs,
    save_adapter,
    tokenizer,
)
from recording import (
    FIXTURES,
    disturb_last_bit,
    folder,
    generator,
    normal,
    relative_error,
    save_json,
    save_meta,
    save_tensors,
)

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
        self.seen.append({ours: of(theirs) for ours, theirs in METRICS.items()})
        return result

    def log(self, logs, *_args):
        if 'grad_norm' in logs:
            self.norms.append(torch.as_tensor(logs['grad_norm']))


def run(case: Case, rows, path=None, disturbance: int | None = None) -> dict:
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / 'llama', attn_implementation='eager')
    with tempfile.TemporaryDirectory() as output:
        trainer = Recording(
            model=base,
            args=KTOConfig(
                output_dir=output,
                **case.theirs,
                learning_rate=case.adamw['lr'],
                adam_beta1=case.adamw['betas'][0],
                adam_beta2=case.adamw['betas'][1],
                adam_epsilon=case.adamw['eps'],
                weight_decay=case.adamw['weight_decay'],
                max_grad_norm=case.max_norm,
                lr_scheduler_type='constant',
                max_steps=STEPS,
                per_device_train_batch_size=ROWS,
                logging_steps=1,
                save_strategy='no',
                report_to='none',
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                remove_unused_columns=False,
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer(),
            peft_config=LoraConfig(
                r=4, lora_alpha=8, lora_dropout=0.0, target_modules=['q_proj', 'v_proj'], task_type='CAUSAL_LM'
            ),
        )
        model = trainer.model
        gen = generator(1050)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if 'lora_A' in name:
                    parameter.copy_(normal(gen, *parameter.shape, std=0.2))
                if 'lora_B' in name:
                    parameter.copy_(normal(gen, *parameter.shape, std=0.1))
        if disturbance is not None:
            disturb_last_bit(model, disturbance)
        if path:
            save_adapter(model, path / 'initial')
        trainer.train()
        if path:
            save_adapter(model, path / 'final')
    results = {'losses': torch.stack(trainer.losses), 'gradient_norms': torch.stack(trainer.norms)}
    results |= {name: torch.tensor([float(seen[name]) for seen in trainer.seen]) for name in METRICS}
    weights = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
    return {'results': results, 'weights': weights}


def mistakes(case: Case, rows):
    """The case with one thing done wrongly, by name."""
    yield 'beta', replace(case, theirs={**case.theirs, 'beta': case.theirs.get('beta', 0.1) * 1.1}), rows
    yield 'swapped', case, [{**row, 'label': not row['label']} for row in rows]
    yield 'mismatched', case, [{**row, 'KL_completion_ids': row['completion_ids']} for row in rows]


def record(name: str, rows) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, rows, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, rows, disturbance=1050 + i) for i in (1, 2)]

    def moved_by(other, part: str, key: str) -> float:
        return relative_error(other[part][key], recorded[part][key])

    moved = {'losses': max(moved_by(other, 'results', 'losses') for other in disturbed)}
    moved['weights'] = max(moved_by(other, 'weights', key) for other in disturbed for key in recorded['weights'])
    print(name, moved, recorded['results'], flush=True)
    for key, limit in LARGEST_ROUNDING.items():
        assert moved[key] < limit, f'{name}: {key} moves by {moved[key]} with the last bit of the weights'
    sensitivity = {}
    for mistake, wrong_case, wrong_rows in mistakes(case, rows):
        wrong = run(wrong_case, wrong_rows)
        losses = moved_by(wrong, 'results', 'losses')
        weights = max(moved_by(wrong, 'weights', key) for key in recorded['weights'])
        sensitivity[mistake] = {'losses': losses, 'weights': weights}
        assert max(losses, weights) > LEAST_SENSITIVITY, f'{name}: {mistake} changes nothing: {sensitivity}'
    return {
        'base': 'families/llama',
        'steps': STEPS,
        'maxGradientNorm': case.max_norm,
        'options': case.options,
        'adamw': case.adamw,
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    rows = draw_rows()
    save_json(folder(TOPIC) / 'rows.json', rows[: len(GOOD)])
    cases = {name: record(name, with_mismatched(rows)) for name in CASES}
    save_meta(TOPIC, __file__, cases, ('torch', 'transformers', 'peft', 'trl', 'safetensors'))
