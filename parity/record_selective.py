"""Records twenty steps of methods that train a model's own weights, each as a few lines of PyTorch from its paper.

BitFit (Ben Zaken et al. 2022), freezing (Lee et al. 2019), layer-wise learning-rate decay and gradual unfreezing (Howard
and Ruder 2018), from the models of `families` and on the batches of `lora-training`. `rounding` and `sensitivity` in
meta.json are as there. Attention's key biases have no gradient but rounding, unless positions are rotated: what AdamW
makes of it is no result, so they are compared by gradient, and left out of `rounding`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM

from recording import FIXTURES, disturb_last_bit, folder, relative_error, save_meta, save_tensors
from record_lora_training import probe, weighted_loss

TOPIC = 'selective-training'
STEPS = 20
LARGEST_ROUNDING = {'losses': 2e-6, 'weights': 3e-5, 'probe_logits.final': 3e-5}
LEAST_SENSITIVITY = 1e-3

Named = dict[str, nn.Parameter]


@dataclass(frozen=True)
class Case:
    """Which parameters train from which step on, each with a factor on the learning rate."""

    base: str
    method: str
    options: dict
    seed: int
    lr: float = 1e-3
    eps: float = 1e-6
    weight_decay: float = 0.1
    max_norm: float = 1.0
    #: name → (first step, factor), or None for a frozen parameter
    plan: Callable[[str], tuple[int, float] | None] = lambda name: None
    #: of a fused bias of query, key and value, the query's third alone
    query_part: bool = False
    #: Adam's step count as if every parameter had trained from the start
    shared_count: bool = False


def layer_of(name: str, layers: int) -> int:
    """-1 before the blocks, 0 to layers - 1 in one, `layers` after them."""
    parts = name.split('.')
    depth = next((int(part) for part in parts if part.isdigit()), None)
    if depth is not None:
        return depth
    return -1 if any(part in ('embed_tokens', 'wte', 'wpe') for part in parts) else layers


def decayed(layer: int, layers: int, decay: float) -> float:
    """lr_l = base * decay ** (L - l - 1); what lies after the blocks at base, embeddings one step below block 0."""
    return decay ** max(0, layers - layer - 1)


def bitfit(name: str):
    return (0, 1.0) if name.endswith('.bias') else None


def bitfit_groups(name: str):
    """Biases of queries and of the feed-forward layer's first half."""
    return bitfit(name) if name.endswith(('c_attn.bias', 'c_fc.bias')) else None


def freeze(last: int, layers: int = 2):
    return lambda name: (0, 1.0) if layer_of(name, layers) >= layers - last else None


def llrd(decay: float, layers: int = 2):
    return lambda name: (0, decayed(layer_of(name, layers), layers, decay))


def gradual(every: int, decay: float, layers: int = 2):
    """The head first, then a layer more every few steps, at last the embeddings."""
    return lambda name: ((layers - layer_of(name, layers)) * every, decayed(layer_of(name, layers), layers, decay))


CASES = {
    'gpt2-bitfit': Case('gpt2', 'bitfit', {}, 2100, lr=1e-2, weight_decay=0.0, max_norm=0.5, plan=bitfit),
    'gpt2-bitfit-groups': Case(
        'gpt2',
        'bitfit',
        {'biases': ['query', 'intermediate']},
        2150,
        lr=1e-2,
        weight_decay=0.0,
        max_norm=0.2,
        plan=bitfit_groups,
        query_part=True,
    ),
    'llama-freeze': Case('llama', 'freeze', {'layers': 1}, 2200, plan=freeze(1)),
    'llama-llrd': Case('llama', 'llrd', {'decay': 0.5}, 2300, plan=llrd(0.5)),
    'llama-gradual-unfreezing': Case(
        'llama', 'gradual-unfreezing', {'every': 5, 'unit': 'step', 'layerDecay': 0.8}, 2400, eps=1e-5, plan=gradual(5, 0.8)
    ),
}


def train(model: nn.Module, case: Case, batches: dict) -> dict[str, torch.Tensor]:
    """AdamW and clipping over what trains; matrices alone decay. A parameter that thaws joins the optimizer then."""
    plans = {name: case.plan(name) for name, _ in model.named_parameters()}
    for parameter in model.parameters():
        parameter.requires_grad = False
    optimizer = None
    losses, gradient_norms, first = [], [], {}
    for step in range(STEPS):
        for name, parameter in model.named_parameters():
            if plans[name] is None or plans[name][0] != step:
                continue
            parameter.requires_grad = True
            if case.query_part and is_fused(name):
                # Without decay, Adam leaves alone what never has a gradient.
                parameter.register_hook(lambda gradient: gradient * query_third(gradient))
            decay = case.weight_decay if parameter.dim() > 1 else 0.0
            group = {'params': [parameter], 'lr': case.lr * plans[name][1], 'weight_decay': decay}
            if optimizer is None:
                optimizer = torch.optim.AdamW([group], eps=case.eps)
            else:
                optimizer.add_param_group(group)
            if case.shared_count and step > 0:
                state = {'step': torch.tensor(float(step))}
                state |= {slot: torch.zeros_like(parameter) for slot in ('exp_avg', 'exp_avg_sq')}
                optimizer.state[parameter] = state
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        ids, weights = batches['input_ids'][step], batches['weights'][step]
        loss = weighted_loss(model(input_ids=ids, use_cache=False).logits, ids, weights)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            first = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        gradient_norms.append(nn.utils.clip_grad_norm_(trained, case.max_norm))
        optimizer.step()
        losses.append(loss.detach())
    gradients = {f'gradient.{name}': value for name, value in first.items() if is_key_bias(name) and not case.query_part}
    return {'losses': torch.stack(losses), 'gradient_norms': torch.stack(gradient_norms)} | gradients


def is_fused(name: str) -> bool:
    return name.endswith('c_attn.bias')


def query_third(bias: torch.Tensor) -> torch.Tensor:
    return (torch.arange(bias.numel()) < bias.numel() // 3).float()


def is_key_bias(name: str) -> bool:
    return is_fused(name) or name.endswith('key.bias')


def without_key_bias(name: str, value: torch.Tensor) -> torch.Tensor:
    """A fused bias without its middle third."""
    if is_fused(name):
        query, _, rest = value.chunk(3)
        return torch.cat([query, rest])
    return value


def run(case: Case, batches: dict, disturbance: int | None = None) -> dict:
    model = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / case.base, attn_implementation='eager')
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    results = train(model, case, batches) | {'probe_logits.final': probe(model, batches)}
    trained = {name for name, _ in model.named_parameters() if case.plan(name) is not None}
    weights = {name: value.detach().clone() for name, value in model.named_parameters() if name in trained}
    if case.query_part:
        weights = {
            f'{name}.query' if is_fused(name) else name: value.chunk(3)[0].clone() if is_fused(name) else value
            for name, value in weights.items()
        }
    return {'results': results, 'weights': weights}


def mistakes(name: str, case: Case) -> Iterator[tuple[str, Case]]:
    """The case with one thing done wrongly, by name."""
    yield 'clipping', replace(case, max_norm=float('inf'))
    if name == 'gpt2-bitfit-groups':
        yield 'wholeFusedBias', replace(case, plan=bitfit_groups, query_part=False)
    if name == 'gpt2-bitfit':
        yield 'normBiases', replace(case, plan=lambda each: None if 'ln_' in each else bitfit(each))
    if name == 'llama-freeze':
        yield 'oneLayerMore', replace(case, plan=freeze(2))
        yield 'headFrozen', replace(case, plan=lambda each: freeze(1)(each) if 'layers' in each else None)
    if name == 'llama-llrd':
        yield 'sameRate', replace(case, plan=llrd(1.0))
        yield 'embeddingsAsLayer0', replace(
            case, plan=lambda each: (0, decayed(max(0, layer_of(each, 2)), 2, 0.5))
        )
    if name == 'llama-gradual-unfreezing':
        yield 'thawedLater', replace(case, plan=gradual(6, 0.8))
        yield 'sharedStepCount', replace(case, shared_count=True)
        yield 'sameRate', replace(case, plan=gradual(5, 1.0))


def difference(other: dict, recorded: dict) -> float:
    """The largest relative error of a weight that both trained."""
    shared = other['weights'].keys() & recorded['weights'].keys()
    return max(
        relative_error(without_key_bias(key, other['weights'][key]), without_key_bias(key, recorded['weights'][key]))
        for key in shared
    )


def record(name: str, batches: dict) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    save_tensors(path / 'final.safetensors', recorded['weights'])

    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2, 3)]
    moved = {
        key: max(relative_error(other['results'][key], recorded['results'][key]) for other in disturbed)
        for key in recorded['results']
        if not key.startswith('gradient.')
    }
    moved['weights'] = max(difference(other, recorded) for other in disturbed)
    for key, limit in LARGEST_ROUNDING.items():
        assert moved[key] < limit, f'{name}: {key} moves by {moved[key]} with the last bit of the weights'
    sensitivity = {}
    for mistake, wrong_case in mistakes(name, case):
        wrong = run(wrong_case, batches)
        losses = relative_error(wrong['results']['losses'], recorded['results']['losses'])
        weights = difference(wrong, recorded)
        assert weights > LEAST_SENSITIVITY, f'{name}: {mistake} changes the weights by {weights} only'
        sensitivity[mistake] = {'losses': losses, 'weights': weights}
    norms = recorded['results']['gradient_norms']
    return {
        'seed': case.seed,
        'base': f'families/{case.base}',
        'method': case.method,
        'options': case.options,
        'steps': STEPS,
        'adamw': {'lr': case.lr, 'eps': case.eps, 'weight_decay': case.weight_decay},
        'maxGradientNorm': case.max_norm,
        'losses': recorded['results']['losses'].tolist(),
        'gradientNorms': norms.tolist(),
        'stepsClipped': int((norms > case.max_norm).sum()),
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    batches = load_file(FIXTURES / 'lora-training' / 'batches.safetensors')
    batches = {name: value.long() if value.dtype == torch.int32 else value for name, value in batches.items()}
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES})
