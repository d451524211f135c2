"""Records twenty steps of TRL's ORPOTrainer and CPOTrainer (also SimPO and AlphaPO), on the recorded Llama with a LoRA of PEFT's.

The pairs (dpo-training's), the adapter's start and what is kept are those of record_dpo_training.py. These objectives have no reference, and
add the chosen text's −log p with a normaliser of its own: over prompt and answer in ORPO, over the answer in CPO.
"""

import tempfile
from dataclasses import dataclass, field, replace

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model_state_dict
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from record_dpo_training import (
    ADAMW,
    LARGEST_ROUNDING,
    LEAST_SENSITIVITY,
    METRICS,
    PAIRS,
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
    save_meta,
    save_tensors,
)

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
            args=config(
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
                max_length=64,
                per_device_train_batch_size=PAIRS,
                logging_steps=1,
                save_strategy='no',
                report_to='none',
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                remove_unused_columns=False,
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(pairs),
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
    for ours, theirs in case.metrics().items():
        results[ours] = torch.tensor([float(seen[theirs]) for seen in trainer.seen])
    weights = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
    return {'results': results, 'weights': weights}


def mistakes(case: Case, pairs):
    """The case with one thing done wrongly, by name."""
    swapped = [{**pair, 'chosen_ids': pair['rejected_ids'], 'rejected_ids': pair['chosen_ids']} for pair in pairs]
    yield 'beta', replace(case, theirs={**case.theirs, 'beta': case.theirs.get('beta', 0.1) * 1.1}), pairs
    yield 'swapped', case, swapped
    # ORPO's likelihood weighs 1, and AlphaPO has none.
    if case.theirs.get('loss_type', 'alphapo') != 'alphapo':
        alpha = case.theirs.get('cpo_alpha', 1.0)
        yield 'nll', replace(case, theirs={**case.theirs, 'cpo_alpha': alpha + 0.1}), pairs


def record(name: str, pairs) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, pairs, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, pairs, disturbance=1050 + i) for i in (1, 2)]

    def moved_by(other, part: str, key: str) -> float:
        return relative_error(other[part][key], recorded[part][key])

    moved = {'losses': max(moved_by(other, 'results', 'losses') for other in disturbed)}
    moved['weights'] = max(moved_by(other, 'weights', key) for other in disturbed for key in recorded['weights'])
    print(name, moved, recorded['results']['gradient_norms'][:3], flush=True)
    for key, limit in LARGEST_ROUNDING.items():
        assert moved[key] < limit, f'{name}: {key} moves by {moved[key]} with the last bit of the weights'
    sensitivity = {}
    for mistake, wrong_case, wrong_pairs in mistakes(case, pairs):
        wrong = run(wrong_case, wrong_pairs)
        losses = moved_by(wrong, 'results', 'losses')
        weights = max(moved_by(wrong, 'weights', key) for key in recorded['weights'])
        sensitivity[mistake] = {'losses': losses, 'weights': weights}
        assert max(losses, weights) > LEAST_SENSITIVITY, f'{name}: {mistake} changes nothing: {sensitivity}'
    return {
        'base': 'families/llama',
        'steps': STEPS,
        'maxGradientNorm': case.max_norm,
        'method': case.objective,
        'options': case.options,
        'adamw': case.adamw,
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    pairs = draw_pairs()
    cases = {name: record(name, pairs) for name in CASES}
    save_meta(TOPIC, __file__, cases, ('torch', 'transformers', 'peft', 'trl', 'safetensors'))
