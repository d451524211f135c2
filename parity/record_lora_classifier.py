"""Records twenty steps of PEFT's LoRA on classifiers of sequences, whose head PEFT trains whole and saves with the adapter.

The models are those of record_encoders.py. Rows have different lengths, and are pairs of texts where the model tells them
apart. What `rounding` and `sensitivity` in meta.json are: README.md beside this file.
"""

from dataclasses import dataclass, replace

import torch
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from transformers import AutoConfig, AutoModelForSequenceClassification, logging

from recording import (
    FIXTURES,
    disturb_last_bit,
    folder,
    freeze_head,
    generator,
    normal,
    relative_error,
    save_adapter,
    save_meta,
    save_tensors,
    take_steps,
)

# The models have a head for masked tokens too, which a classifier does not load.
logging.set_verbosity_error()

TOPIC = 'lora-classifier'
STEPS, ROWS, LENGTH = 20, 4, 16
SEED = 4100
ADAMW = {'lr': 3e-3, 'eps': 1e-4, 'weight_decay': 0.1}
LARGEST_ROUNDING = {'losses': 3e-6, 'weights': 3e-5, 'probe_logits.final': 3e-5}
LEAST_SENSITIVITY = 1e-3


@dataclass(frozen=True)
class Case:
    base: str
    targets: tuple[str, ...]
    problem: str = 'single_label_classification'
    max_norm: float = 1.0


CASES = {
    'bert': Case('bert', ('query', 'value')),
    'bert-multi-label': Case('bert', ('query', 'value'), problem='multi_label_classification'),
    'bert-regression': Case('bert', ('query', 'value'), problem='regression', max_norm=3.0),
    'roberta': Case('roberta', ('query', 'value', 'intermediate.dense')),
    'distilbert': Case('distilbert', ('q_lin', 'v_lin')),
}


def draw_batches() -> dict[str, torch.Tensor]:
    """Five batches over and over, and one to probe with."""
    gen = generator(SEED)
    shape = (6, ROWS, LENGTH)
    lengths = torch.randint(4, LENGTH + 1, (6, ROWS, 1), generator=gen)
    lengths[:, 0] = LENGTH
    at = torch.arange(LENGTH).expand(shape)
    drawn = {
        'input_ids': torch.randint(3, 96, shape, generator=gen),
        'attention_mask': (at < lengths).long(),
        'token_type_ids': ((at >= lengths // 2) & (at < lengths)).long(),
        'classes': torch.randint(3, (6, ROWS), generator=gen),
        'several': torch.randint(2, (6, ROWS, 3), generator=gen).float(),
        'targets': normal(gen, 6, ROWS, 3),
    }
    drawn['input_ids'] = drawn['input_ids'] * drawn['attention_mask'] + (1 - drawn['attention_mask'])
    return drawn


def inputs_of(batch: dict[str, torch.Tensor], case: Case) -> dict[str, torch.Tensor]:
    """The forward pass's own, and the labels as transformers takes them for the problem."""
    types = {'token_type_ids': batch['token_type_ids']} if case.base == 'bert' else {}
    labels = {'single_label_classification': 'classes', 'multi_label_classification': 'several', 'regression': 'targets'}
    return {
        'input_ids': batch['input_ids'],
        'attention_mask': batch['attention_mask'],
        **types,
        'labels': batch[labels[case.problem]],
    }


def build(case: Case, alpha: int = 8):
    path = FIXTURES / 'encoders' / case.base
    config = AutoConfig.from_pretrained(path)
    config.problem_type = case.problem
    base = AutoModelForSequenceClassification.from_pretrained(path, config=config, attn_implementation='eager')
    lora = LoraConfig(
        r=4, lora_alpha=alpha, lora_dropout=0.0, target_modules=list(case.targets), task_type='SEQ_CLS'
    )
    model = get_peft_model(base, lora)
    gen = generator(SEED + 1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'lora_' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.2 if 'lora_A' in name else 0.1))
    model.peft_config['default'].base_model_name_or_path = f'parity/fixtures/encoders/{case.base}'
    return model


def at_step(batches: dict[str, torch.Tensor], step: int) -> dict[str, torch.Tensor]:
    return {name: tensor[step] for name, tensor in batches.items()}


def train(model, case: Case, batches, frozen=False) -> dict[str, torch.Tensor]:
    if frozen:
        freeze_head(model)
    return take_steps(
        model, lambda step: model(**inputs_of(at_step(batches, step % 5), case)).loss, STEPS, ADAMW, case.max_norm
    )


def run(case: Case, batches, path=None, disturbance: int | None = None, **wrong) -> dict:
    """Trains once. With a path, writes the adapter before and after; with a disturbance, moves the weights at first."""
    model = build(case, **{key: wrong.pop(key) for key in ('alpha',) if key in wrong})
    if disturbance is not None:
        disturb_last_bit(model, disturbance)

    @torch.no_grad()
    def probe() -> torch.Tensor:
        return model(**inputs_of(at_step(batches, 5), case)).logits

    if path:
        save_adapter(model, path / 'initial')
    before = probe()
    curve = train(model, case, batches, **wrong)
    if path:
        save_adapter(model, path / 'final')
    weights = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
    return {
        'results': {**curve, 'probe_logits.initial': before, 'probe_logits.final': probe()},
        'weights': weights,
    }


def mistakes(case: Case, batches):
    """Runs with one thing done wrongly, by name."""
    yield 'clipping', run(replace(case, max_norm=float('inf')), batches)
    yield 'alpha', run(case, batches, alpha=4)
    yield 'frozenHead', run(case, batches, frozen=True)
    seen = {**batches, 'attention_mask': torch.ones_like(batches['attention_mask'])}
    yield 'padding', run(case, seen)
    if case.base == 'bert':
        yield 'tokenTypes', run(case, {**batches, 'token_type_ids': torch.zeros_like(batches['token_type_ids'])})


def record(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, batches, disturbance=SEED + i) for i in (1, 2, 3)]

    def moved(others, part: str, key: str) -> float:
        return max(relative_error(other[part][key], recorded[part][key]) for other in others)

    rounding = {key: moved(disturbed, 'results', key) for key in recorded['results']}
    rounding['weights'] = max(moved(disturbed, 'weights', key) for key in recorded['weights'])
    sensitivity = {}
    for mistake, wrong in mistakes(case, batches):
        weights = max(moved([wrong], 'weights', key) for key in recorded['weights'])
        sensitivity[mistake] = {'losses': moved([wrong], 'results', 'losses'), 'weights': weights}
    norms = recorded['results']['gradient_norms']
    print(name, rounding, sensitivity, norms.tolist())
    for key, limit in LARGEST_ROUNDING.items():
        assert rounding[key] < limit, f'{name}: {key} moves by {rounding[key]} with the last bit of the weights'
    for mistake, by in sensitivity.items():
        assert by['weights'] > LEAST_SENSITIVITY, f'{name}: {mistake} changes the weights by {by["weights"]} only'
    return {
        'seed': SEED,
        'base': f'encoders/{case.base}',
        'steps': STEPS,
        'options': {'problem': case.problem},
        'adamw': ADAMW,
        'maxGradientNorm': case.max_norm,
        'losses': recorded['results']['losses'].tolist(),
        'stepsClipped': int((norms > case.max_norm).sum()),
        'rounding': rounding,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    batches = draw_batches()
    save_tensors(folder(TOPIC) / 'batches.safetensors', batches)
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES})
