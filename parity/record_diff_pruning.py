"""Records twenty steps of diff pruning (Guo, Rush and Kim 2021), as a few lines of PyTorch from the paper and its code.

Behind gates the model runs at start + w * z * z_group with hard-concrete draws from the noise that our programs draw; w and
the gates have an AdamW each, and a clipping norm each. Then the largest settled differences are kept, and dense gradients
under that fixed mask train them on. A classifier trains whole beside them, by one optimizer throughout. Models and batches
are those of `fish-mask`; `rounding` and `sensitivity` in meta.json are as there.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.func import functional_call

from noise import uniform
from recording import disturb_last_bit, folder, relative_error, save_meta, save_tensors
from record_fish_mask import batches_for, build, is_classifier
from record_lora_training import weighted_loss

TOPIC = 'diff-pruning'
STEPS, SEED = 20, 0
LARGEST_ROUNDING = {'losses': 2e-6, 'gradient_norms': 2e-5, 'deltas': 3e-5, 'difference': 5e-5, 'alpha': 3e-5, 'group': 3e-5}
LEAST_SENSITIVITY, LEAST_GAP = 1e-2, 1e-3


@dataclass(frozen=True)
class Case:
    base: str
    seed: int
    sparsity: float
    penalty: float
    structured: bool = True
    gated: int = 10
    alpha_init: float = 1.4
    alpha_lr: float = 0.2
    fixed_mask_rate: float = 5.0
    lower: float = -1.5
    upper: float = 1.5
    #: parts of the names of what takes part; everything if there are none
    modules: tuple[str, ...] = ()
    lr: float = 2e-3
    eps: float = 1e-4
    weight_decay: float = 0.1
    max_norm: float = 1.0
    mistake: str = ''


CASES = {
    'llama': Case('families/llama', 3401, sparsity=0.01633, penalty=3e-4, eps=6e-4),
    'gpt2-elements': Case(
        'families/gpt2', 3402, sparsity=0.01217, penalty=1e-3, structured=False, gated=14, alpha_init=1.0, alpha_lr=0.3,
        fixed_mask_rate=2.0, lower=-0.1, upper=1.1, modules=('attn', 'ln_f', 'wpe'), lr=5e-3, eps=3e-5, max_norm=0.02,
    ),
    'bert-classifier': Case(
        'bitfit-bert/base', 3403, sparsity=0.01395, penalty=1e-3, alpha_init=1.0,
        modules=('attention', 'LayerNorm', 'pooler'), lr=5e-3, eps=2e-4, max_norm=2.0,
    ),
}


def stretched(x: torch.Tensor, case: Case) -> torch.Tensor:
    return (x.sigmoid() * (case.upper - case.lower) + case.lower).clamp(0, 1)


def drawn(alpha: torch.Tensor, step: int, name: str, case: Case) -> torch.Tensor:
    u = uniform(SEED + (case.mistake == 'otherNoise'), step, name, alpha.shape).clamp(1e-4, 1 - 1e-4)
    return stretched(alpha + u.log() - (1 - u).log(), case)


def expected_norm(alpha: torch.Tensor, case: Case) -> torch.Tensor:
    """The expected number of gates that are not shut."""
    return (alpha - torch.tensor(-case.lower / case.upper).log()).sigmoid().sum()


def loss_of(model: nn.Module, parameters: dict, batch: dict) -> torch.Tensor:
    if 'classes' in batch:
        return nn.functional.cross_entropy(functional_call(model, parameters, batch['input_ids']).logits, batch['classes'])
    logits = functional_call(model, parameters, batch['input_ids'], {'use_cache': False}).logits
    return weighted_loss(logits, batch['input_ids'], batch['weights'])


def train(model: nn.Module, case: Case, batches: dict) -> dict:
    start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    whole = {name: start[name].clone().requires_grad_() for name in start if is_classifier(name)}
    names = [
        name for name in start if name not in whole and (not case.modules or any(part in name for part in case.modules))
    ]
    w = {name: torch.zeros_like(start[name], requires_grad=True) for name in names}
    alpha = {name: torch.full_like(start[name], case.alpha_init, requires_grad=True) for name in names}
    group = {name: torch.full([1], case.alpha_init, requires_grad=True) for name in names if case.structured}

    def adamw(parameters, lr: float, weight_decay: float = 0.0):
        groups = [{'params': [p], 'weight_decay': weight_decay if p.dim() > 1 else 0.0} for p in parameters]
        return torch.optim.AdamW(groups, lr=lr, eps=case.eps) if groups else None

    def step_of(optimizers: list, together: list[list[torch.Tensor]], loss: torch.Tensor, penalty: torch.Tensor | float):
        """One update; each of the lists is clipped by its own norm."""
        for optimizer in filter(None, optimizers):
            optimizer.zero_grad()
        (loss + penalty).backward()
        mask_gradients()
        if case.mistake == 'clippedTogether':
            together = [[parameter for parameters in together for parameter in parameters]]
        norms = [nn.utils.clip_grad_norm_(parameters, case.max_norm) for parameters in together]
        for optimizer in filter(None, optimizers):
            optimizer.step()
        losses.append(loss.detach())
        gradient_norms.append(torch.stack(norms).norm())
        clipped.append([bool(norm > case.max_norm) for norm in norms])

    losses, gradient_norms, clipped = [], [], []
    mask_gradients = lambda: None
    of_head, of_w = adamw(whole.values(), case.lr, case.weight_decay), adamw(w.values(), case.lr)
    gates = [*alpha.values(), *group.values()]
    of_gates = adamw(gates, case.alpha_lr)
    for step in range(case.gated):
        parameters = start | whole
        for name in names:
            z = drawn(alpha[name], step, f'{name}.alpha', case)
            if name in group:
                z = z * drawn(group[name], step, f'{name}.group', case)
            parameters[name] = start[name] + w[name] * z
        penalty = case.penalty * sum(expected_norm(gate, case) for gate in gates)
        loss = loss_of(model, parameters, {key: values[step] for key, values in batches.items()})
        step_of([of_head, of_w, of_gates], [[*w.values(), *whole.values()], gates], loss, penalty)
    border = {'difference': dict(w), 'alpha': dict(alpha), 'group': dict(group)}
    border = {kind: {name: value.detach().clone() for name, value in values.items()} for kind, values in border.items()}

    settled = {name: w[name].detach().clone() for name in names}
    if case.mistake != 'ungated':
        for gate in (alpha, group):
            settled |= {name: settled[name] * stretched(value.detach(), case) for name, value in gate.items()}
    ranked = torch.cat([value.flatten() for value in settled.values()]).abs().sort(descending=True).values
    count = int(len(ranked) * case.sparsity)
    masks = {name: value.abs() >= ranked[count - 1] for name, value in settled.items()}
    gap = ((ranked[count - 1] - ranked[count]) / ranked[count - 1]).item()
    begin = w if case.mistake == 'fromUngated' else settled
    delta = {name: (begin[name].detach() * masks[name]).requires_grad_() for name in names}

    def mask_gradients() -> None:
        for name in names:
            delta[name].grad *= masks[name]

    of_delta = adamw(delta.values(), case.lr * case.fixed_mask_rate)
    if case.mistake == 'freshHead':
        of_head = adamw(whole.values(), case.lr, case.weight_decay)
    for step in range(case.gated, STEPS):
        parameters = start | whole | {name: start[name] + delta[name] for name in names}
        loss = loss_of(model, parameters, {key: values[step] for key, values in batches.items()})
        step_of([of_head, of_delta], [[*delta.values(), *whole.values()]], loss, 0.0)
    return {
        'results': {'losses': torch.stack(losses), 'gradient_norms': torch.stack(gradient_norms)},
        'clipped': clipped,
        'border': border,
        'masks': masks,
        'gap': gap,
        'deltas': {name: value.detach() for name, value in delta.items()},
        'whole': {name: value.detach() for name, value in whole.items()},
    }


def sparse(recorded: dict) -> dict[str, torch.Tensor]:
    """What an adapter holds: positions and differences of every weight that has some, and the classifier."""
    tensors = dict(recorded['whole'])
    for name, mask in recorded['masks'].items():
        if mask.any():
            tensors[f'{name}.positions'] = mask.flatten().nonzero()[:, 0]
            tensors[f'{name}.delta'] = recorded['deltas'][name].flatten()[mask.flatten()]
    return tensors


def run(case: Case, batches: dict, disturbance: int | None = None) -> dict:
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    return train(model, case, batches)


def differ(other: dict, recorded: dict) -> float:
    """The largest difference between tensors of these names, relative to the largest number of all."""
    if not recorded:
        return 0.0
    largest = max(value.abs().max() for value in recorded.values())
    return (max((other[name] - value).abs().max() for name, value in recorded.items()) / largest).item()


def mistakes(case: Case):
    """The case with one thing done wrongly, by name."""
    yield 'clippedTogether', replace(case, mistake='clippedTogether')
    yield 'unpenalised', replace(case, penalty=0.0)
    yield 'otherNoise', replace(case, mistake='otherNoise')
    yield 'ungated', replace(case, mistake='ungated')
    yield 'fromUngated', replace(case, mistake='fromUngated')
    yield 'oneRate', replace(case, fixed_mask_rate=1.0)
    if case.structured:
        yield 'unstructured', replace(case, structured=False)
    if case.base.startswith('bitfit'):
        yield 'freshHead', replace(case, mistake='freshHead')


def record(name: str, batches: dict) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches)
    assert recorded['gap'] > LEAST_GAP, f'{name}: a choice is as near as {recorded["gap"]}'
    save_tensors(path / 'expected.safetensors', recorded['results'])
    save_tensors(path / 'final.safetensors', sparse(recorded))
    border = {f'{weight}.{kind}': value for kind, values in recorded['border'].items() for weight, value in values.items()}
    save_tensors(path / 'border.safetensors', border)

    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2, 3)]
    for other in disturbed:
        assert all(torch.equal(other['masks'][key], mask) for key, mask in recorded['masks'].items()), name
    moved = {
        key: max(relative_error(other['results'][key], value) for other in disturbed)
        for key, value in recorded['results'].items()
    }
    moved['deltas'] = max(differ(other['deltas'], recorded['deltas']) for other in disturbed)
    for kind, values in recorded['border'].items():
        moved[kind] = max(differ(other['border'][kind], values) for other in disturbed)
    print(name, moved, recorded['clipped'], recorded['gap'])
    for key, limit in LARGEST_ROUNDING.items():
        assert moved[key] < limit, f'{name}: {key} moves by {moved[key]} with the last bit of the weights'
    sensitivity = {}
    for mistake, wrong_case in mistakes(case):
        wrong = run(wrong_case, batches)
        sensitivity[mistake] = max(differ(wrong[key], recorded[key]) for key in ('deltas', 'whole'))
        print(mistake, sensitivity[mistake])
        assert sensitivity[mistake] > LEAST_SENSITIVITY, f'{name}: {mistake} changes the result by {sensitivity[mistake]}'
    settled = {
        key: torch.cat([stretched(value, case).flatten() for value in recorded['border'][key].values()])
        for key in ('alpha', 'group')
        if recorded['border'][key]
    }
    return {
        'seed': case.seed,
        'base': case.base,
        'options': {
            'targetSparsity': case.sparsity,
            'structured': case.structured,
            'gated': case.gated / STEPS,
            'penalty': case.penalty,
            'alphaInit': case.alpha_init,
            'alphaLearningRate': case.alpha_lr,
            'fixedMaskRate': case.fixed_mask_rate,
            'lower': case.lower,
            'upper': case.upper,
        }
        | ({'modules': case.modules} if case.modules else {}),
        'steps': STEPS,
        'adamw': {'lr': case.lr, 'eps': case.eps, 'weight_decay': case.weight_decay},
        'maxGradientNorm': case.max_norm,
        'stepsClipped': sum(step[0] for step in recorded['clipped']),
        'stepsGatesClipped': sum(step[1] for step in recorded['clipped'] if len(step) > 1),
        'kept': sum(int(mask.sum()) for mask in recorded['masks'].values()),
        'weightsTouched': sum(bool(mask.any()) for mask in recorded['masks'].values()),
        'settledShut': {key: (values == 0).float().mean().item() for key, values in settled.items()},
        'settledOpen': {key: (values == 1).float().mean().item() for key, values in settled.items()},
        'leastGap': recorded['gap'],
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    save_meta(TOPIC, __file__, {name: record(name, batches_for(case)) for name, case in CASES.items()})
