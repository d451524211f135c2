"""Records twenty steps of TRL's RewardTrainer: the recorded Llama with one logit for a text, and a LoRA of PEFT's beside it.

The texts are dpo-training's pairs, prompt and answer together. PEFT trains the head whole and saves it with the adapter. What
`rounding` and `sensitivity` in meta.json are: README.md beside this file.
"""

import tempfile
from dataclasses import dataclass, field, replace

import torch
from datasets import Dataset
from peft import LoraConfig
from torch.utils.data import SequentialSampler
from transformers import AutoModelForSequenceClassification, logging
from trl import RewardConfig, RewardTrainer

from record_dpo_training import ADAMW, draw_pairs, save_adapter, tokenizer
from recording import FIXTURES, generator, normal, save_meta
from trl_recording import arguments, outcome, record_case, start

# The model has a head for tokens, which a classifier does not load, and none for texts.
logging.set_verbosity_error()

TOPIC = 'reward-training'
METRICS = {'rewards.margins': 'margin', 'rewards.accuracies': 'accuracy'}


@dataclass(frozen=True)
class Case:
    options: dict
    theirs: dict
    margin: bool = False
    max_norm: float = 1.0
    adamw: dict = field(default_factory=lambda: ADAMW)


CASES = {
    'plain': Case({}, {}),
    'margin-centred': Case({'centering': 0.05}, {'center_rewards_coefficient': 0.05}, margin=True),
}


def margin_of(row: int) -> float:
    """Of the pair that a test finds in that place."""
    return (row % 5) / 4


def rows_of(case: Case, pairs) -> list[dict]:
    return [
        {f'{side}_ids': pair['prompt_ids'] + pair[f'{side}_ids'] for side in ('chosen', 'rejected')}
        | ({'margin': margin_of(row)} if case.margin else {})
        for row, pair in enumerate(pairs)
    ]


class Recording(RewardTrainer):
    """RewardTrainer over texts that are tokens already, in their order, which keeps what it computes unrounded."""

    def __init__(self, *args, **options):
        self.losses, self.norms, self.seen = [], [], []
        super().__init__(*args, **options)

    def _get_train_sampler(self, *_args):
        return SequentialSampler(self.train_dataset)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        result = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self.losses.append((result[0] if return_outputs else result).detach().clone())
        self.seen.append({theirs: self._metrics['train'][theirs][-1] for theirs in METRICS.values()})
        return result

    def log(self, logs, *_args):
        if 'grad_norm' in logs:
            self.norms.append(torch.as_tensor(logs['grad_norm']))


def run(case: Case, rows, path=None, disturbance: int | None = None) -> dict:
    base = AutoModelForSequenceClassification.from_pretrained(
        FIXTURES / 'families' / 'llama', num_labels=1, attn_implementation='eager'
    )
    adapter = LoraConfig(
        r=4, lora_alpha=8, lora_dropout=0.0, target_modules=['q_proj', 'v_proj'], task_type='SEQ_CLS'
    )
    with tempfile.TemporaryDirectory() as output:
        trainer = Recording(
            model=base,
            args=RewardConfig(**arguments(case, output)),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer(),
            peft_config=adapter,
        )
        gen = generator(1051)
        with torch.no_grad():
            for name, parameter in trainer.model.named_parameters():
                if 'score.modules_to_save' in name:
                    parameter.copy_(normal(gen, *parameter.shape, std=0.2))
        start(trainer.model, disturbance)
        if path:
            save_adapter(trainer.model, path / 'initial')
        trainer.train()
        if path:
            save_adapter(trainer.model, path / 'final')
    return outcome(trainer, METRICS)


def mistakes(case: Case, rows):
    """The case with one thing done wrongly, by name."""
    yield 'swapped', case, [{**row, 'chosen_ids': row['rejected_ids'], 'rejected_ids': row['chosen_ids']} for row in rows]
    yield 'lastToken', case, [
        {**row, **{side: row[side][:-1] for side in ('chosen_ids', 'rejected_ids')}} for row in rows
    ]
    if case.margin:
        yield 'margin', case, [{**row, 'margin': 0.0} for row in rows]
        yield 'centering', replace(case, theirs={'center_rewards_coefficient': 0.04}), rows


if __name__ == '__main__':
    pairs = draw_pairs()
    cases = {name: record_case(TOPIC, name, case, rows_of(case, pairs), run, mistakes) for name, case in CASES.items()}
    save_meta(TOPIC, __file__, cases, ('torch', 'transformers', 'peft', 'trl', 'safetensors'))
