"""Records twenty steps of PEFT's IA3 under torch.optim.AdamW, as record_lora_training.py does of LoRA.

The vectors start at random around 1: at exactly 1, a scale on the wrong side of a layer would not show before the first
step.
"""

import copy
from dataclasses import dataclass, field, replace

import torch
from peft import IA3Config, get_peft_model
from peft.utils import get_peft_model_state_dict
from transformers import AutoModelForCausalLM

from record_lora_training import LARGEST_ROUNDING, LEAST_SENSITIVITY, draw_batches, probe, save_adapter, train
from recording import (
    FIXTURES,
    change_by,
    disturb_last_bit,
    folder,
    generator,
    normal,
    rounding_of,
    save_meta,
    save_tensors,
)

TOPIC = 'ia3-training'
ADAMW = {'lr': 1e-2, 'betas': (0.9, 0.999), 'eps': 1e-8, 'weight_decay': 0.01}


@dataclass(frozen=True)
class Case:
    seed: int
    base: str
    ia3: IA3Config
    steps: int = 20
    max_norm: float = 0.5
    adamw: dict = field(default_factory=lambda: ADAMW)


def ia3(**options) -> IA3Config:
    return IA3Config(task_type='CAUSAL_LM', **options)


CASES = {
    'llama': Case(2000, 'llama', ia3()),
    'gpt2': Case(2100, 'gpt2', ia3()),
    'llama-all-linear-saved-head': Case(
        2200,
        'llama',
        ia3(target_modules='all-linear', feedforward_modules='.*(down|o)_proj', modules_to_save=['lm_head']),
        # A larger epsilon: some of the head's gradients are near 1e-8, where Adam would amplify rounding.
        adamw={**ADAMW, 'lr': 5e-3, 'eps': 1e-6},
    ),
}


def build(case: Case):
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / case.base, attn_implementation='eager')
    model = get_peft_model(base, copy.deepcopy(case.ia3))
    gen = generator(case.seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'ia3_l' in name:
                parameter.copy_(normal(gen, *parameter.shape, mean=1.0, std=0.3))
    model.peft_config['default'].base_model_name_or_path = f'parity/fixtures/families/{case.base}'
    return model


def run(case: Case, batches, path=None, disturbance: int | None = None) -> dict:
    """Trains once. With a path, writes the adapter before and after; with a disturbance, moves the weights at first."""
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    if path:
        save(model, path / 'initial')
    before = probe(model, batches)
    curve = train(model, case, batches)
    if path:
        save(model, path / 'final')
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    weights = {name: tensor.detach().clone() for name, tensor in state.items()}
    results = {**curve, 'probe_logits.initial': before, 'probe_logits.final': probe(model, batches)}
    return {'results': results, 'weights': weights}


def save(model, path) -> None:
    config = model.peft_config['default']
    if isinstance(config.feedforward_modules, set):
        config.feedforward_modules = sorted(config.feedforward_modules)
    save_adapter(model, path)


def mistakes(case: Case, batches):
    """The case with one thing done wrongly, by name."""
    yield 'clipping', replace(case, max_norm=float('inf'))
    yield 'weightDecay', replace(case, adamw={**case.adamw, 'weight_decay': 0.0})


def record(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2, 3)]
    moved = rounding_of(name, recorded, disturbed, LARGEST_ROUNDING)
    sensitivity = {}
    for mistake, wrong_case in mistakes(case, batches):
        wrong = run(wrong_case, batches)
        sensitivity[mistake] = change_by(name, mistake, wrong, recorded, LEAST_SENSITIVITY)
    norms = recorded['results']['gradient_norms']
    return {
        'seed': case.seed,
        'base': f'families/{case.base}',
        'steps': case.steps,
        'adamw': case.adamw,
        'maxGradientNorm': case.max_norm,
        'losses': recorded['results']['losses'].tolist(),
        'gradientNorms': norms.tolist(),
        'stepsClipped': int((norms > case.max_norm).sum()),
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    batches = draw_batches(steps=20, batch=4, length=16)
    save_tensors(folder(TOPIC) / 'batches.safetensors', batches)
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES})
