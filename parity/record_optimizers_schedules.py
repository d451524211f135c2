"""Records optimizers' trajectories under given gradients, gradient clipping, and learning-rate schedules.

Trajectories are computed in float64 from float32 numbers and rounded once. `<parameter>.gradients` and
`<parameter>.values` are [steps, …]: the gradient of each step, and the value after it.
"""

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

from recording import folder, generator, normal, save_json, save_meta, save_tensors

TOPIC = 'optimizers-schedules'
SEED = 3000
STEPS = 20
gen = generator(SEED)


def draw_gradients(*shape: int) -> torch.Tensor:
    """Gradients of very different sizes: the first element's is always 0, the second's near Adam's epsilon."""
    gradients = normal(gen, STEPS, *shape)
    flat = gradients.view(STEPS, -1)
    flat[:, 0] = 0
    flat[:, 1] *= 1e-8
    flat[:, 2] *= 1e3
    return gradients


def trajectory(case: str, optimizer_class, groups: list[dict], warmup: int | None = None, **options) -> dict:
    """One parameter a group; with `warmup`, the learning rates follow the linear schedule over the recorded steps."""
    shapes = [(3, 5), (4,)][: len(groups)]
    names = ['a', 'b'][: len(groups)]
    initial = [normal(gen, *shape) for shape in shapes]
    gradients = [draw_gradients(*shape) for shape in shapes]
    parameters = [torch.nn.Parameter(value.double()) for value in initial]
    optimizer = optimizer_class(
        [{'params': [parameter], **group} for parameter, group in zip(parameters, groups)], **options
    )
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, STEPS) if warmup is not None else None
    values = [[] for _ in parameters]
    for step in range(STEPS):
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient[step].double()
        optimizer.step()
        if schedule:
            schedule.step()
        for value, parameter in zip(values, parameters):
            value.append(parameter.detach().clone())
    tensors = {}
    for name, start, gradient, value in zip(names, initial, gradients, values):
        tensors |= {f'{name}.initial': start, f'{name}.gradients': gradient, f'{name}.values': torch.stack(value)}
    save_tensors(folder(TOPIC) / f'{case}.safetensors', tensors)
    return {'groups': dict(zip(names, groups)), 'warmup': warmup, **options}


def optimizers():
    adamw, sgd = torch.optim.AdamW, torch.optim.SGD
    two = [{'lr': 1e-2, 'weight_decay': 0.1}, {'lr': 3e-3, 'weight_decay': 0.0}]
    yield 'adamw', trajectory('adamw', adamw, two, betas=(0.9, 0.999), eps=1e-8)
    yield 'adamw-betas', trajectory('adamw-betas', adamw, two, betas=(0.8, 0.95), eps=1e-6)
    yield 'adamw-scheduled', trajectory('adamw-scheduled', adamw, two, warmup=4, betas=(0.9, 0.999), eps=1e-8)
    yield 'sgd', trajectory('sgd', sgd, two)
    yield 'sgd-momentum', trajectory('sgd-momentum', sgd, two, momentum=0.9)
    yield 'sgd-nesterov', trajectory('sgd-nesterov', sgd, two, momentum=0.9, nesterov=True)


def clipping():
    """torch scales by max / (norm + 1e-6), at most 1. Three gradients: above the limit, below it, and all zero."""
    limit = 1.0
    tensors = {}
    for case, scale in [('above', 3.0), ('below', 0.01), ('zero', 0.0)]:
        parameters = {name: torch.nn.Parameter(torch.zeros(shape)) for name, shape in [('a', (3, 5)), ('b', (4,))]}
        for name, parameter in parameters.items():
            parameter.grad = scale * normal(gen, *parameter.shape)
            tensors[f'{case}.{name}.gradient'] = parameter.grad.clone()
        tensors[f'{case}.norm'] = torch.nn.utils.clip_grad_norm_(parameters.values(), limit)
        tensors |= {f'{case}.{name}.clipped': parameter.grad for name, parameter in parameters.items()}
    save_tensors(folder(TOPIC) / 'clip-by-global-norm.safetensors', tensors)
    yield 'clip-by-global-norm', {'maxNorm': limit}


def factors(schedule: LambdaLR, count: int) -> list[float]:
    """The factor on the learning rate for steps 0 to count - 1, counted from 0."""
    return [schedule.lr_lambdas[0](step) for step in range(count)]


def schedules():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    makers = {
        'linear': lambda warmup, total: get_linear_schedule_with_warmup(optimizer, warmup, total),
        'cosine': lambda warmup, total: get_cosine_schedule_with_warmup(optimizer, warmup, total),
        'constant': lambda warmup, _: get_constant_schedule_with_warmup(optimizer, warmup),
    }
    tables = [
        {
            'schedule': name,
            'warmupSteps': warmup,
            'totalSteps': total,
            'factors': factors(make(warmup, total), total + 3),
        }
        for name, make in makers.items()
        for warmup, total in [(0, 20), (5, 20), (20, 20)]
    ]
    long = makers['linear'](500, 5000).lr_lambdas[0]
    worked = {step: long(step) for step in (250, 500, 2750, 5000)}
    assert worked == {250: 0.5, 500: 1.0, 2750: 0.5, 5000: 0.0}
    examples = {'schedule': 'linear', 'warmupSteps': 500, 'totalSteps': 5000, 'factorAtStep': worked}
    save_json(folder(TOPIC) / 'schedules.json', {'tables': tables, 'examples': [examples]})
    yield 'schedules', {'file': 'schedules.json'}


if __name__ == '__main__':
    groups = [optimizers(), clipping(), schedules()]
    save_meta(TOPIC, __file__, {case: meta for group in groups for case, meta in group})
