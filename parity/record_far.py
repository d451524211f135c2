"""Records twenty steps of FAR (Vucetic et al. 2022), freeze and reconfigure, as a few lines of PyTorch from the paper.

A few steps train everything. Then each linear layer of the feed-forward layers is divided: the nodes that moved most make
a dense layer that trains, the others one that is frozen where it is, and a permutation of both outputs puts them in order.
From the models of `families` and on the batches of `lora-training`; `rounding` and `sensitivity` in meta.json are as there.
"""

from dataclasses import dataclass, replace

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import linear
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from recording import FIXTURES, disturb_last_bit, folder, relative_error, save_meta, save_tensors
from record_lora_training import probe, weighted_loss

TOPIC = 'far-training'
STEPS = 20
LARGEST_ROUNDING = {'losses': 2e-6, 'weights': 3e-5, 'probe_logits.final': 3e-5}
LEAST_SENSITIVITY, LEAST_GAP = 1e-3, 1e-3


@dataclass(frozen=True)
class Case:
    base: str
    seed: int
    priming: int
    keep: float
    #: whether what is outside the feed-forward layers trains
    rest: bool
    lr: float = 1e-3
    eps: float = 1e-5
    weight_decay: float = 0.1
    max_norm: float = 1.0
    mistake: str = ''


CASES = {
    'llama': Case('llama', 3100, priming=4, keep=0.2, rest=True),
    'gpt2-alone': Case('gpt2', 3200, priming=6, keep=0.15, rest=False, lr=3e-3),
}


def dense(layer: nn.Module) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weight [out, in] and bias; GPT-2 stores [in, out]."""
    weight = layer.weight.T if isinstance(layer, Conv1D) else layer.weight
    return weight.detach().clone(), None if layer.bias is None else layer.bias.detach().clone()


class Reconfigured(nn.Module):
    """The nodes of a linear layer in two dense layers: frozen ones and learners."""

    def __init__(self, layer: nn.Module, learners: torch.Tensor):
        super().__init__()
        weight, bias = dense(layer)
        self.learners = learners
        others = torch.tensor([node for node in range(len(weight)) if node not in set(learners.tolist())])
        self.order = torch.argsort(torch.cat([others, learners]))
        self.frozen = (weight[others], None if bias is None else bias[others])
        self.weight = nn.Parameter(weight[learners])
        self.bias = None if bias is None else nn.Parameter(bias[learners])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([linear(x, *self.frozen), linear(x, self.weight, self.bias)], -1)[..., self.order]

    def whole(self) -> dict[str, torch.Tensor]:
        pairs = {'weight': (self.frozen[0], self.weight), 'bias': (self.frozen[1], self.bias)}
        return {name: torch.cat(pair)[self.order].detach() for name, pair in pairs.items() if pair[1] is not None}


def feed_forward(model: nn.Module) -> dict[str, nn.Module]:
    return {name: layer for name, layer in model.named_modules() if '.mlp.' in name and getattr(layer, 'weight', None) is not None}


def moved(layer: nn.Module, start: tuple) -> torch.Tensor:
    """How far each node is from where it began: L1 over its weights and bias."""
    weight, bias = dense(layer)
    distance = (weight - start[0]).abs().sum(1)
    return distance if bias is None else distance + (bias - start[1]).abs()


def optimizer_over(parameters: list[nn.Parameter], case: Case, before: torch.optim.Optimizer | None = None):
    """AdamW; matrices alone decay. What the optimizer before trained too keeps its state."""
    groups = [{'params': [p], 'weight_decay': case.weight_decay if p.dim() > 1 else 0.0} for p in parameters]
    optimizer = torch.optim.AdamW(groups, lr=case.lr, eps=case.eps)
    if before is not None and case.mistake != 'freshOptimizer':
        optimizer.state.update({p: before.state[p] for p in parameters if p in before.state})
    return optimizer


def reconfigure(model: nn.Module, starts: dict, case: Case) -> tuple[dict, float]:
    """The learners of every layer, and how near the last learner is to the first that is none."""
    chosen, gap = {}, float('inf')
    for name, layer in feed_forward(model).items():
        distance = moved(layer, starts[name])
        count = max(1, round(case.keep * len(distance)))
        ranked = distance.sort(descending=case.mistake != 'leastMoved', stable=True)
        gap = min(gap, ((ranked.values[count - 1] - ranked.values[count]).abs() / ranked.values[count - 1]).item())
        chosen[name] = ranked.indices[:count].sort().values
        parent, _, last = name.rpartition('.')
        setattr(model.get_submodule(parent), last, Reconfigured(layer, chosen[name]))
    return chosen, gap


def train(model: nn.Module, case: Case, batches: dict) -> dict:
    starts = {name: dense(layer) for name, layer in feed_forward(model).items()}
    own = [p for layer in feed_forward(model).values() for p in layer.parameters()]
    rest = [p for p in model.parameters() if all(p is not each for each in own)]
    for parameter in rest:
        parameter.requires_grad = case.rest
    trained = own + (rest if case.rest else [])
    optimizer = optimizer_over(trained, case)
    losses, gradient_norms = [], []
    chosen, gap = {}, float('inf')
    for step in range(STEPS):
        if step == case.priming:
            chosen, gap = reconfigure(model, starts, case)
            trained = [p for p in model.parameters() if p.requires_grad]
            optimizer = optimizer_over(trained, case, optimizer)
        ids, weights = batches['input_ids'][step], batches['weights'][step]
        loss = weighted_loss(model(input_ids=ids, use_cache=False).logits, ids, weights)
        optimizer.zero_grad()
        loss.backward()
        gradient_norms.append(nn.utils.clip_grad_norm_(trained, case.max_norm))
        optimizer.step()
        losses.append(loss.detach())
    results = {
        'losses': torch.stack(losses),
        'gradient_norms': torch.stack(gradient_norms),
        'probe_logits.final': probe(model, batches),
    }
    return {'results': results, 'chosen': chosen, 'gap': gap, 'weights': whole_weights(model, case)}


def whole_weights(model: nn.Module, case: Case) -> dict[str, torch.Tensor]:
    """What has moved, each layer whole again, under the names and in the layout of the checkpoint."""
    weights = {}
    for name, layer in model.named_modules():
        if isinstance(layer, Reconfigured):
            for part, value in layer.whole().items():
                turned = part == 'weight' and case.base == 'gpt2'
                weights[f'{name}.{part}'] = value.T if turned else value
    own = tuple(f'{name}.' for name, layer in model.named_modules() if isinstance(layer, Reconfigured))
    if case.rest:
        weights |= {name: p.detach() for name, p in model.named_parameters() if not name.startswith(own)}
    return weights


def run(case: Case, batches: dict, disturbance: int | None = None) -> dict:
    model = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / case.base, attn_implementation='eager')
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    return train(model, case, batches)


def weights_differ(other: dict, recorded: dict) -> float:
    return max(relative_error(other['weights'][key], value) for key, value in recorded['weights'].items())


def mistakes(case: Case):
    """The case with one thing done wrongly, by name."""
    yield 'clipping', replace(case, max_norm=float('inf'))
    yield 'leastMoved', replace(case, mistake='leastMoved')
    yield 'primedLonger', replace(case, priming=case.priming + 1)
    if case.rest:
        yield 'freshOptimizer', replace(case, mistake='freshOptimizer')


def record(name: str, batches: dict) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches)
    assert recorded['gap'] > LEAST_GAP, f'{name}: a choice is as near as {recorded["gap"]}'
    save_tensors(path / 'expected.safetensors', recorded['results'])
    save_tensors(path / 'final.safetensors', recorded['weights'])
    save_tensors(path / 'learners.safetensors', recorded['chosen'])

    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2, 3)]
    moved = {
        key: max(relative_error(other['results'][key], recorded['results'][key]) for other in disturbed)
        for key in recorded['results']
    }
    moved['weights'] = max(weights_differ(other, recorded) for other in disturbed)
    for key, limit in LARGEST_ROUNDING.items():
        assert moved[key] < limit, f'{name}: {key} moves by {moved[key]} with the last bit of the weights'
    sensitivity = {}
    for mistake, wrong_case in mistakes(case):
        wrong = run(wrong_case, batches)
        sensitivity[mistake] = {
            'losses': relative_error(wrong['results']['losses'], recorded['results']['losses']),
            'weights': weights_differ(wrong, recorded),
        }
        assert sensitivity[mistake]['weights'] > LEAST_SENSITIVITY, f'{name}: {mistake}: {sensitivity[mistake]}'
    norms = recorded['results']['gradient_norms']
    return {
        'seed': case.seed,
        'base': f'families/{case.base}',
        'options': {'priming': case.priming / STEPS, 'keep': case.keep, 'rest': 'train' if case.rest else 'freeze'},
        'steps': STEPS,
        'adamw': {'lr': case.lr, 'eps': case.eps, 'weight_decay': case.weight_decay},
        'maxGradientNorm': case.max_norm,
        'stepsClipped': int((norms > case.max_norm).sum()),
        'leastGap': recorded['gap'],
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    batches = load_file(FIXTURES / 'lora-training' / 'batches.safetensors')
    batches = {name: value.long() if value.dtype == torch.int32 else value for name, value in batches.items()}
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES})
