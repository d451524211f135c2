"""Records twenty steps of what PEFT's LoRA can do beyond A and B on linear layers, as record_lora_training.py does of those.

DoRA; PiSSA and OLoRA, which start from the weights; embeddings and the head as targets; single tokens; LoRA+ and LoRA-FA.
The batches are those of `lora-training`. What a case holds beyond that topic's is in README.md.
"""

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from unittest.mock import patch

import peft.optimizers.lorafa
import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_lorafa_optimizer, create_loraplus_optimizer
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from record_lora_training import probe, save_adapter, weighted_loss
from recording import (
    FIXTURES,
    change_by,
    disturb_last_bit,
    folder,
    generator,
    normal,
    rounding_of,
    save_json,
    save_meta,
    save_tensors,
)

TOPIC = 'lora-variants'
ADAMW = {'lr': 1e-2, 'betas': (0.9, 0.999), 'eps': 1e-8, 'weight_decay': 0.01}
LARGEST_ROUNDING = {'losses': 1.5e-6, 'weights': 2e-5, 'probe_logits.final': 2e-5}
LEAST_SENSITIVITY = 1e-3


def adamw(model, case):
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], **case.adamw)


def lora_plus(model, case):
    """`weight_decay` is `loraplus_weight_decay` here, and the embedding has a rate of its own."""
    options = {key: value for key, value in case.adamw.items() if key not in ('lr', 'weight_decay')}
    return create_loraplus_optimizer(
        model,
        torch.optim.AdamW,
        lr=case.adamw['lr'],
        loraplus_lr_ratio=case.lora_plus_ratio,
        loraplus_lr_embedding=1e-3,
        loraplus_weight_decay=case.adamw['weight_decay'],
        **options,
    )


def lora_fa(model, case):
    config = case.lora
    optimizer = create_lorafa_optimizer(model, r=config.r, lora_alpha=config.lora_alpha, lr=case.adamw['lr'])
    for group in optimizer.param_groups:
        group['eps'] = case.adamw['eps']
    # PEFT decays the weight that a step made, torch.optim.AdamW the weight that it starts from, as here.
    decay = case.adamw['lr'] * case.adamw['weight_decay']
    optimizer.register_step_pre_hook(lambda *_: decay_weights(model, decay))
    return optimizer


@torch.no_grad()
def decay_weights(model, share: float) -> None:
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.mul_(1 - share)


@dataclass(frozen=True)
class Case:
    seed: int
    base: str
    lora: LoraConfig
    optimizer: Callable = adamw
    max_norm: float = 1.0
    adamw: dict = field(default_factory=lambda: ADAMW)
    lora_plus_ratio: float = 4.0
    steps: int = 20


def lora(targets, alpha=8, **options) -> LoraConfig:
    return LoraConfig(
        r=4, lora_alpha=alpha, lora_dropout=0.0, bias='none', target_modules=targets, task_type='CAUSAL_LM', **options
    )


SLOW = {**ADAMW, 'lr': 3e-3}
SMALL = {**ADAMW, 'lr': 1e-3}
CASES = {
    'dora': Case(2100, 'llama', lora(['q_proj', 'v_proj', 'down_proj'], use_dora=True)),
    'dora-gpt2': Case(2110, 'gpt2', lora(['c_attn'], use_dora=True, fan_in_fan_out=True), max_norm=2.5),
    'gaussian': Case(2120, 'llama', lora(['q_proj', 'v_proj'], init_lora_weights='gaussian')),
    # Ranks after which the singular values fall by 4 % or more: with equal ones, rounding would choose the subspace.
    'pissa': Case(
        2130,
        'llama',
        lora(
            ['q_proj', 'v_proj'],
            alpha=4,
            init_lora_weights='pissa',
            rank_pattern={'v_proj': 2},
            alpha_pattern={'v_proj': 3},
        ),
        adamw=SMALL,
    ),
    'pissa-rslora': Case(
        2140, 'llama', lora(['q_proj'], alpha=2, init_lora_weights='pissa', use_rslora=True), adamw=SMALL
    ),
    'olora': Case(2150, 'llama', lora(['q_proj', 'v_proj'], alpha=4, init_lora_weights='olora'), adamw=SMALL),
    'embedding': Case(2160, 'llama', lora(['embed_tokens', 'lm_head', 'q_proj']), max_norm=3, adamw=SLOW),
    'embedding-dora': Case(2170, 'llama', lora(['embed_tokens', 'q_proj'], use_dora=True), max_norm=3, adamw=SLOW),
    'tokens': Case(2180, 'llama', lora(['q_proj', 'v_proj'], trainable_token_indices=[5, 17, 40]), adamw=SMALL),
    'tokens-tied': Case(
        2190, 'llama-tied', lora(['q_proj'], trainable_token_indices={'embed_tokens': [5, 17, 40]}), adamw=SMALL
    ),
    'lora-plus': Case(2200, 'llama', lora(['q_proj', 'v_proj', 'embed_tokens']), lora_plus, adamw=SMALL),
    # PEFT's own epsilon lies within the bias correction.
    'lora-fa': Case(
        2210,
        'llama',
        lora(['q_proj', 'v_proj'], alpha=4),
        lora_fa,
        # Clipping would come before the correction there, and after it here.
        max_norm=1e9,
        adamw={'lr': 1e-3, 'eps': 1e-12, 'weight_decay': 0.0},
    ),
    'lora-fa-decay': Case(
        2220,
        'llama',
        lora(['q_proj', 'v_proj'], alpha=4),
        lora_fa,
        max_norm=1e9,
        adamw={'lr': 1e-3, 'eps': 1e-12, 'weight_decay': 1.0},
    ),
}


def starts_from_weight(case: Case) -> bool:
    return case.lora.init_lora_weights in ('pissa', 'olora')


def build(case: Case):
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / case.base, attn_implementation='eager')
    torch.manual_seed(case.seed)
    model = get_peft_model(base, copy.deepcopy(case.lora))
    gen = generator(case.seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if starts_from_weight(case):
                continue
            if 'lora_A' in name or 'lora_embedding_A' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.2))
            if 'lora_B' in name or 'lora_embedding_B' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.1))
            if 'lora_magnitude_vector' in name or 'trainable_tokens_delta' in name:
                parameter.mul_(1 + normal(gen, *parameter.shape, std=0.1))
    model.peft_config['default'].base_model_name_or_path = f'parity/fixtures/families/{case.base}'
    return model


def trained_weights(model) -> dict[str, torch.Tensor]:
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def train(model, case: Case, batches) -> dict[str, torch.Tensor]:
    optimizer = case.optimizer(model, case)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    losses, gradient_norms = [], []
    # LoRA-FA multiplies in bfloat16 wherever there is any; here in float32.
    with patch.object(peft.optimizers.lorafa, 'is_bf16_available', lambda: False):
        for ids, weights in list(zip(batches['input_ids'], batches['weights']))[: case.steps]:
            loss = weighted_loss(model(input_ids=ids, use_cache=False).logits, ids, weights)
            optimizer.zero_grad()
            loss.backward()
            gradient_norms.append(torch.nn.utils.clip_grad_norm_(trainable, case.max_norm))
            optimizer.step()
            losses.append(loss.detach())
    curve = {'losses': torch.stack(losses)}
    # LoRA-FA's norm would be that of the gradient before its correction, which nothing here reports.
    return curve if case.optimizer is lora_fa else {**curve, 'gradient_norms': torch.stack(gradient_norms)}


def save_converted(model, case: Case, path, initial) -> None:
    """The final adapter as one of twice the rank for the base as it was, by PEFT's own conversion."""
    copy_of_initial = path / 'conversion'
    shutil.copytree(initial, copy_of_initial)
    config = json.loads((copy_of_initial / 'adapter_config.json').read_text())
    save_json(copy_of_initial / 'adapter_config.json', {**config, 'init_lora_weights': True})
    model.save_pretrained(
        path / 'converted', save_embedding_layers=False, path_initial_model_for_weight_conversion=copy_of_initial
    )
    shutil.rmtree(copy_of_initial)
    (path / 'converted' / 'README.md').unlink()
    config = json.loads((path / 'converted' / 'adapter_config.json').read_text())
    config['target_modules'] = sorted(config['target_modules'])
    save_json(path / 'converted' / 'adapter_config.json', config)


def run(case: Case, batches, path=None, disturbance: int | None = None) -> dict:
    """Trains once. With a path, writes the adapter before and after; with a disturbance, moves the weights at first."""
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    if path:
        save_adapter(model, path / 'initial')
    before = probe(model, batches)
    curve = train(model, case, batches)
    if path:
        save_adapter(model, path / 'final')
        if starts_from_weight(case):
            save_converted(model, case, path, path / 'initial')
    results = {**curve, 'probe_logits.initial': before, 'probe_logits.final': probe(model, batches)}
    return {'results': results, 'weights': trained_weights(model)}


def mistakes(case: Case):
    """The case with one thing done wrongly, by name."""
    if case.optimizer is lora_fa:
        yield 'preconditioning', replace(case, optimizer=adamw)
        if case.adamw['weight_decay'] > 0:
            yield 'weightDecay', replace(case, adamw={**case.adamw, 'weight_decay': 0.0})
        return
    yield 'clipping', replace(case, max_norm=float('inf'))
    yield 'weightDecay', replace(case, adamw={**case.adamw, 'weight_decay': 0.5})
    if case.optimizer is lora_plus:
        yield 'ratio', replace(case, lora_plus_ratio=1.0)


def record(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    shutil.rmtree(path)
    recorded = run(case, batches, folder(TOPIC, name))
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2, 3)]
    moved = rounding_of(name, recorded, disturbed, LARGEST_ROUNDING)
    sensitivity = {}
    for mistake, wrong_case in mistakes(case):
        wrong = run(wrong_case, batches)
        sensitivity[mistake] = change_by(name, mistake, wrong, recorded, LEAST_SENSITIVITY)
    norms = recorded['results'].get('gradient_norms', torch.zeros(0))
    return {
        'seed': case.seed,
        'base': f'families/{case.base}',
        'steps': case.steps,
        'optimizer': case.optimizer.__name__,
        'adamw': case.adamw,
        'maxGradientNorm': case.max_norm,
        'losses': recorded['results']['losses'].tolist(),
        'gradientNorms': norms.tolist(),
        'stepsClipped': int((norms > case.max_norm).sum()),
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    batches = load_file(FIXTURES / 'lora-training' / 'batches.safetensors')
    batches = {name: values.long() if values.dtype == torch.int32 else values for name, values in batches.items()}
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES})
