"""Records AdaLoRA's steps as PEFT takes them: the optimizer, then `update_and_allocate`, counted from 1.

The batches are those of `lora-training`. Where the gradient is clipped, PEFT's importance is given it as it was before:
PEFT would see the clipped one, and the plugin contract shows a method the gradient before clipping. In meta.json, `rounding` and `sensitivity` are as in
record_lora_training.py; `leastGap` is the smallest distance, relative to the larger, between the last score that is kept
and the first that is not: rounding must not choose between them.
"""

import copy
import json
import shutil
from dataclasses import dataclass, field, replace

import torch
from peft import AdaLoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from record_lora_training import probe, save_adapter, weighted_loss
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

TOPIC = 'adalora'
ADAMW = {'lr': 2e-3, 'betas': (0.9, 0.999), 'eps': 1e-8, 'weight_decay': 0.01}
LARGEST_ROUNDING = {'losses': 1.5e-6, 'weights': 2e-5, 'probe_logits.final': 2e-5}
LEAST_SENSITIVITY = 1e-3


@dataclass(frozen=True)
class Case:
    seed: int
    base: str
    adalora: AdaLoraConfig
    steps: int = 20
    adamw: dict = field(default_factory=lambda: ADAMW)
    max_norm: float = 1e9
    allocate: bool = True


def adalora(targets, **options) -> AdaLoraConfig:
    defaults = {'init_r': 4, 'target_r': 2, 'lora_alpha': 8, 'total_step': 20, 'lora_dropout': 0.0}
    return AdaLoraConfig(target_modules=targets, task_type='CAUSAL_LM', **{**defaults, **options})


CASES = {
    'llama': Case(3100, 'llama', adalora(['q_proj', 'v_proj'], tinit=3, tfinal=5, deltaT=2)),
    'gpt2': Case(3200, 'gpt2', adalora(['c_attn', 'c_fc'], tinit=0, tfinal=0, fan_in_fan_out=True)),
    'clipped': Case(3300, 'llama', adalora(['q_proj', 'v_proj'], tinit=3, tfinal=5, deltaT=2), max_norm=2.3),
}


def build(case: Case):
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / case.base, attn_implementation='eager')
    model = get_peft_model(base, copy.deepcopy(case.adalora))
    gen = generator(case.seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'lora_A' in name or 'lora_B' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.2))
            if 'lora_E' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.5))
    model.peft_config['default'].base_model_name_or_path = f'parity/fixtures/families/{case.base}'
    return model


def penalty(model, case: Case) -> torch.Tensor:
    """What AdaLoraModel.forward adds to a loss that the model computes itself."""
    norms = []
    for name, parameter in model.named_parameters():
        if 'lora_A' in name:
            norms.append(parameter @ parameter.T)
        if 'lora_B' in name:
            norms.append(parameter.T @ parameter)
    distances = [torch.norm(gram - torch.eye(len(gram)), p='fro') for gram in norms]
    return case.adalora.orth_reg_weight * sum(distances) / len(distances)


def weights_of(model) -> dict[str, torch.Tensor]:
    """All ranks, those too that a file leaves out."""
    return {
        name.replace('.default', ''): parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if 'lora_' in name
    }


def train(model, case: Case, batches) -> dict[str, torch.Tensor]:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, **case.adamw)
    losses, penalties, gradient_norms, kept = [], [], [], []
    memory = {}
    gap = float('inf')
    for step, (ids, weights) in enumerate(zip(batches['input_ids'], batches['weights']), 1):
        loss = weighted_loss(model(input_ids=ids, use_cache=False).logits, ids, weights)
        extra = penalty(model, case)
        optimizer.zero_grad()
        (loss + extra).backward()
        gradient_norms.append(torch.nn.utils.clip_grad_norm_(trainable, case.max_norm))
        optimizer.step()
        for parameter in trainable:
            parameter.grad.mul_(max(1.0, float(gradient_norms[-1]) / case.max_norm))
        if step == case.adalora.total_step - case.adalora.tfinal:
            memory = remembered(model)
        if case.allocate:
            gap = min(gap, allocate(model, step))
        losses.append(loss.detach())
        penalties.append(extra.detach())
        kept.append(sum(int((e != 0).sum()) for name, e in model.named_parameters() if 'lora_E' in name))
    return {
        'losses': torch.stack(losses),
        'penalties': torch.stack(penalties),
        'gradient_norms': torch.stack(gradient_norms),
        'kept': torch.tensor(kept),
        'gap': gap,
        'memory': memory,
    }


def remembered(model) -> dict[str, torch.Tensor]:
    """Smoothed sensitivity and uncertainty of every element, before the last allocation forgets them."""
    allocator = model.base_model.rankallocator
    names = {'importance': allocator.exp_avg_ipt, 'uncertainty': allocator.exp_avg_unc}
    return {
        f'{name.replace(".default", "")}.{kind}': values.clone()
        for kind, by_name in names.items()
        for name, values in by_name.items()
    }


def allocate(model, step: int) -> float:
    """PEFT's update; returns how far apart the scores on both sides of the threshold are."""
    allocator = model.base_model.rankallocator
    scores = []
    original = torch.kthvalue

    def kthvalue(values, k):
        scores.append((values, k))
        return original(values, k)

    torch.kthvalue = kthvalue
    try:
        model.base_model.update_and_allocate(step)
    finally:
        torch.kthvalue = original
    if not scores:
        return float('inf')
    values, k = scores[0]
    ordered = values.sort().values
    assert allocator is not None
    return ((ordered[k] - ordered[k - 1]) / ordered[k]).item()


def run(case: Case, batches, path=None, disturbance: int | None = None) -> dict:
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    if path:
        save_adapter(model, path / 'initial')
    before = probe(model, batches)
    curve = train(model, case, batches)
    gap, memory = curve.pop('gap'), curve.pop('memory')
    after = probe(model, batches)
    weights = weights_of(model)
    if path:
        save_adapter(model, path / 'final')
        save_tensors(path / 'importance.safetensors', memory)
    results = {**curve, 'probe_logits.initial': before, 'probe_logits.final': after}
    return {'results': results, 'weights': weights, 'gap': gap, 'model': model}


def mistakes(case: Case):
    yield 'allocation', replace(case, allocate=False)
    if case.max_norm < 1e9:
        yield 'clipping', replace(case, max_norm=1e9)
    yield 'weightDecay', replace(case, adamw={**case.adamw, 'weight_decay': 0.5})
    yield 'orthogonality', replace(case, adalora=replace_config(case, orth_reg_weight=0.1))
    yield 'smoothing', replace(case, adalora=replace_config(case, beta1=0.1, beta2=0.1))


def replace_config(case: Case, **options):
    config = copy.deepcopy(case.adalora)
    for key, value in options.items():
        setattr(config, key, value)
    return config


def record(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    shutil.rmtree(path)
    recorded = run(case, batches, folder(TOPIC, name))
    save_tensors(path / 'expected.safetensors', recorded['results'])
    save_tensors(path / 'weights.safetensors', recorded['weights'])
    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2, 3)]

    def difference(other: dict, part: str, key: str) -> float:
        # A module that has lost every rank has no largest value.
        expected = recorded[part][key]
        return relative_error(other[part][key], expected) if expected.any() else float(other[part][key].any())

    def rounding(part: str, key: str) -> float:
        return max(difference(other, part, key) for other in disturbed)

    moved = {key: rounding('results', key) for key in recorded['results']}
    moved['weights'] = max(rounding('weights', key) for key in recorded['weights'])
    for key, limit in LARGEST_ROUNDING.items():
        assert moved[key] < limit, f'{name}: {key} moves by {moved[key]} with the last bit of the weights'
    assert recorded['gap'] > 1e-3, f'{name}: two scores are {recorded["gap"]} apart'
    sensitivity = {}
    for mistake, wrong_case in mistakes(case):
        wrong = run(wrong_case, batches)
        losses = difference(wrong, 'results', 'losses')
        weights = max(difference(wrong, 'weights', key) for key in recorded['weights'])
        assert weights > LEAST_SENSITIVITY, f'{name}: {mistake} changes the weights by {weights} only'
        sensitivity[mistake] = {'losses': losses, 'weights': weights}
    return {
        'seed': case.seed,
        'base': f'families/{case.base}',
        'steps': case.steps,
        'adamw': case.adamw,
        'maxGradientNorm': case.max_norm,
        'losses': recorded['results']['losses'].tolist(),
        'kept': recorded['results']['kept'].tolist(),
        'stepsClipped': int((recorded['results']['gradient_norms'] > case.max_norm).sum()),
        'leastGap': recorded['gap'],
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    batches = load_file(FIXTURES / 'lora-training' / 'batches.safetensors')
    batches = {name: values.long() if values.dtype == torch.int32 else values for name, values in batches.items()}
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES})
