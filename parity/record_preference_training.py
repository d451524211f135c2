"""Records twenty steps of TRL's ORPOTrainer and CPOTrainer (also SimPO and AlphaPO), on the recorded Llama with a LoRA of PEFT's.

The pairs (dpo-training's), the adapter's start and what is kept are those of record_dpo_training.py. These objectives have no reference, and
add the chosen text's −log p with a normaliser of its own: over prompt and answer in ORPO, over the answer in CPO.
"""

import tempfile
from dataclasses import dataclass, field, replace

import torch
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from record_dpo_training import ADAMW, METRICS, draw_pairs, save_adapter, tokenizer
from recording import FIXTURES, save_meta
from trl_recording import arguments, lora, outcome, record_case, start

TOPIC = 'preference-training'
MORE = {'orpo': {'log_odds_chosen': 'log_odds_chosen', 'log_odds_ratio': 'log_odds_ratio'}}


@dataclass(frozen=True)
class Case:
    objective: str
    options: dict
    """By our names."""
    theirs: dict
    """The same by TRL's."""
    max_norm: float = 1.0
    adamw: dict = field(default_factory=lambda: ADAMW)

    def metrics(self) -> dict:
        nll = {} if self.theirs.get('cpo_alpha') == 0.0 else {'nll_loss': 'nll_loss'}
        return METRICS | nll | MORE.get(self.objective, {})


CASES = {
    'orpo': Case('orpo', {'beta': 0.5}, {'beta': 0.5}),
    'cpo-sigmoid': Case(
        'cpo',
        {'loss': 'sigmoid', 'labelSmoothing': 0.1, 'nllWeight': 0.7},
        {'loss_type': 'sigmoid', 'label_smoothing': 0.1, 'cpo_alpha': 0.7},
    ),
    'cpo-hinge': Case('cpo', {'loss': 'hinge'}, {'loss_type': 'hinge'}),
    'cpo-ipo': Case('cpo', {'loss': 'ipo', 'beta': 0.5}, {'loss_type': 'ipo', 'beta': 0.5}),
    'simpo': Case('simpo', {}, {'loss_type': 'simpo', 'beta': 2.0, 'cpo_alpha': 0.0}),
    'simpo-nll': Case(
        'simpo',
        {'beta': 1.5, 'gamma': 0.8, 'labelSmoothing': 0.1, 'nllWeight': 1},
        {'loss_type': 'simpo', 'beta': 1.5, 'simpo_gamma': 0.8, 'label_smoothing': 0.1},
    ),
    'alphapo': Case(
        'simpo', {'alpha': 0.1}, {'loss_type': 'alphapo', 'beta': 2.0, 'cpo_alpha': 0.0, 'alpha': 0.1}
    ),
}


class Recording:
    """A trainer over pairs that are tokens already, in their order, which keeps what it computes unrounded."""

    def __init__(self, *args, **options):
        self.losses, self.norms, self.seen = [], [], []
        super().__init__(*args, **options)

    def tokenize_row(self, feature, model=None):
        row = {'prompt_input_ids': feature['prompt_ids']}
        for side in ('chosen', 'rejected'):
            answer = feature[f'{side}_ids']
            ids = feature['prompt_ids'] + answer
            row[f'{side}_input_ids'] = ids
            row[f'{side}_attention_mask'] = [1] * len(ids)
            row[f'{side}_labels'] = [-100] * len(feature['prompt_ids']) + answer
        return row

    def _get_train_sampler(self, *_args):
        return SequentialSampler(self.train_dataset)

    def get_batch_loss_metrics(self, model, batch, train_eval='train'):
        loss, metrics = super().get_batch_loss_metrics(model, batch, train_eval)
        self.losses.append(loss.detach().clone())
        self.seen.append(metrics)
        return loss, metrics

    def log(self, logs, *_args):
        if 'grad_norm' in logs:
            self.norms.append(torch.as_tensor(logs['grad_norm']))


class RecordingOrpo(Recording, ORPOTrainer):
    pass


class RecordingCpo(Recording, CPOTrainer):
    pass


def run(case: Case, pairs, path=None, disturbance: int | None = None) -> dict:
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / 'llama', attn_implementation='eager')
    config, trainer_type = (
        (ORPOConfig, RecordingOrpo) if case.objective == 'orpo' else (CPOConfig, RecordingCpo)
    )
    with tempfile.TemporaryDirectory() as output:
        trainer = trainer_type(
            model=base,
            args=config(**arguments(case, output)),
            train_dataset=Dataset.from_list(pairs),
            processing_class=tokenizer(),
            peft_config=lora(),
        )
        start(trainer.model, disturbance)
        if path:
            save_adapter(trainer.model, path / 'initial')
        trainer.train()
        if path:
            save_adapter(trainer.model, path / 'final')
    return outcome(trainer, case.metrics())


def mistakes(case: Case, pairs):
    """The case with one thing done wrongly, by name."""
    swapped = [{**pair, 'chosen_ids': pair['rejected_ids'], 'rejected_ids': pair['chosen_ids']} for pair in pairs]
    yield 'beta', replace(case, theirs={**case.theirs, 'beta': case.theirs.get('beta', 0.1) * 1.1}), pairs
    yield 'swapped', case, swapped
    # ORPO's likelihood weighs 1, and AlphaPO has none.
    if case.theirs.get('loss_type', 'alphapo') != 'alphapo':
        alpha = case.theirs.get('cpo_alpha', 1.0)
        yield 'nll', replace(case, theirs={**case.theirs, 'cpo_alpha': alpha + 0.1}), pairs


if __name__ == '__main__':
    pairs = draw_pairs()
    cases = {
        name: record_case(TOPIC, name, case, pairs, run, mistakes) | {'method': case.objective}
        for name, case in CASES.items()
    }
    save_meta(TOPIC, __file__, cases, ('torch', 'transformers', 'peft', 'trl', 'safetensors'))
