"""Records twenty steps of PEFT's LoRA, and ten of full fine-tuning, under torch.optim.AdamW.

Every case starts from a recorded model and adapter and sees the same recorded batches, so that losses and final weights
may be compared number by number. In meta.json, `rounding` is how far each result moves when all initial weights are
moved by one float32 rounding, relative to its largest value: no test can be stricter than that. `sensitivity` is how
far the losses and the final weights move when one thing is done wrongly.
"""

import copy
from dataclasses import dataclass, field, replace

import torch
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from transformers import AutoModelForCausalLM

from recording import (
    FIXTURES,
    change_by,
    disturb_last_bit,
    folder,
    generator,
    normal,
    rounding_of,
    save_adapter,
    save_meta,
    save_tensors,
)

TOPIC = 'lora-training'
VOCABULARY = 96
ADAMW = {'lr': 1e-2, 'betas': (0.9, 0.999), 'eps': 1e-8, 'weight_decay': 0.01}
LARGEST_ROUNDING = {'losses': 1.5e-6, 'weights': 2e-5, 'probe_logits.final': 2e-5}
LEAST_SENSITIVITY = 1e-3


@dataclass(frozen=True)
class Case:
    seed: int
    base: str
    lora: LoraConfig | None
    b_std: float = 0.1
    steps: int = 20
    max_norm: float = 1.0
    adamw: dict = field(default_factory=lambda: ADAMW)


def lora(targets, alpha=8, **options) -> LoraConfig:
    return LoraConfig(
        r=4, lora_alpha=alpha, lora_dropout=0.0, bias='none', target_modules=targets, task_type='CAUSAL_LM', **options
    )


CASES = {
    'llama': Case(1050, 'llama', lora(['q_proj', 'v_proj'])),
    'llama-zero-b': Case(1100, 'llama', lora(['q_proj', 'v_proj']), b_std=0.0),
    'gpt2': Case(1200, 'gpt2', lora(['c_attn'], fan_in_fan_out=True), max_norm=2.5),
    'llama-all-linear-rslora': Case(
        1300,
        'llama',
        lora(
            'all-linear',
            alpha=2,
            use_rslora=True,
            rank_pattern={'down_proj': 2, 'layers.1.self_attn.q_proj': 6},
            alpha_pattern={'v_proj': 1, 'layers.0.mlp.up_proj': 3},
        ),
        max_norm=3.5,
    ),
    'llama-saved-head': Case(1400, 'llama', lora(['q_proj', 'v_proj'], modules_to_save=['lm_head'])),
    # A smaller rate: with 1e-2 the embedding doubles in twenty steps, and rounding grows a hundredfold on the way.
    'llama-saved-embedding': Case(
        1500,
        'llama',
        lora(['q_proj', 'v_proj'], modules_to_save=['embed_tokens']),
        adamw={**ADAMW, 'lr': 1e-3, 'weight_decay': 0.1},
    ),
    # A larger epsilon: among 80,000 gradients some are near 1e-8, where Adam's first steps would amplify rounding.
    'llama-full': Case(
        1600, 'llama', None, steps=10, adamw={**ADAMW, 'lr': 1e-3, 'eps': 1e-6, 'weight_decay': 0.1}
    ),
}


def draw_batches(steps: int, batch: int, length: int) -> dict[str, torch.Tensor]:
    """Token ids and loss weights [steps, batch, length]; `weights[…, i]` weighs predicting token i."""
    gen = generator(900)
    # Five batches over and over, so that there is something to learn.
    ids = torch.randint(VOCABULARY, (5, batch, length), generator=gen).repeat(steps // 5, 1, 1)
    weights = torch.tensor([0.0, 0.1, 1.0])[torch.randint(3, ids.shape, generator=gen)]
    weights[..., 0] = 0
    probe = torch.randint(VOCABULARY, (2, length), generator=gen)
    return {'input_ids': ids, 'weights': weights, 'probe_ids': probe}


def weighted_loss(logits: torch.Tensor, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """sum(w · cross entropy) / sum(w), every token predicted from the position before it."""
    entropy = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction='none')
    return (weights[:, 1:].flatten() * entropy).sum() / weights.sum()


def build(case: Case):
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / case.base, attn_implementation='eager')
    if case.lora is None:
        return base
    model = get_peft_model(base, copy.deepcopy(case.lora))
    gen = generator(case.seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'lora_A' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.2))
            if 'lora_B' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=case.b_std))
    model.peft_config['default'].base_model_name_or_path = f'parity/fixtures/families/{case.base}'
    return model


def trained_weights(model, case: Case) -> dict[str, torch.Tensor]:
    state = model.state_dict() if case.lora is None else get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def train(model, case: Case, batches) -> dict[str, torch.Tensor]:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, **case.adamw)
    losses, gradient_norms = [], []
    for ids, weights in list(zip(batches['input_ids'], batches['weights']))[: case.steps]:
        loss = weighted_loss(model(input_ids=ids, use_cache=False).logits, ids, weights)
        optimizer.zero_grad()
        loss.backward()
        gradient_norms.append(torch.nn.utils.clip_grad_norm_(trainable, case.max_norm))
        optimizer.step()
        losses.append(loss.detach())
    return {'losses': torch.stack(losses), 'gradient_norms': torch.stack(gradient_norms)}


@torch.no_grad()
def probe(model, batches) -> torch.Tensor:
    return model(input_ids=batches['probe_ids'], use_cache=False).logits


def run(case: Case, batches, path=None, disturbance: int | None = None) -> dict:
    """Trains once. With a path, writes the adapter before and after; with a disturbance, moves the weights at first."""
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    if path and case.lora:
        save_adapter(model, path / 'initial', save_embedding_layers=False)
    before = probe(model, batches)
    curve = train(model, case, batches)
    if path and case.lora:
        save_adapter(model, path / 'final', save_embedding_layers=False)
    results = {**curve, 'probe_logits.initial': before, 'probe_logits.final': probe(model, batches)}
    return {'results': results, 'weights': trained_weights(model, case)}


def mistakes(case: Case, batches):
    """The case with one thing done wrongly, by name."""
    even = {**batches, 'weights': (batches['weights'] > 0).float()}
    yield 'clipping', replace(case, max_norm=float('inf')), batches
    yield 'weightDecay', replace(case, adamw={**case.adamw, 'weight_decay': 0.0}), batches
    yield 'tokenWeights', case, even
    if case.lora:
        yield 'alpha', replace(case, lora=replace(case.lora, lora_alpha=case.lora.lora_alpha / 2)), batches


def record(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    if case.lora is None:
        save_tensors(path / 'final.safetensors', recorded['weights'])

    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2, 3)]
    moved = rounding_of(name, recorded, disturbed, LARGEST_ROUNDING)
    sensitivity = {}
    for mistake, wrong_case, wrong_batches in mistakes(case, batches):
        wrong = run(wrong_case, wrong_batches)
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
