"""Records twenty steps of several tasks at once, weighed in four ways, written out in PyTorch, with PEFT's LoRA on the recorded Llama.

Batches are those of lora-training: of each four rows the first and the third are of one task, the others of another, whose loss weights are
changed so that it has fewer targets. Weights are equal; by uncertainty (Kendall et al. 2018), whose log-variances have a rate and a clipping
of their own; by dynamic weight average (Liu et al. 2019) over intervals of steps; by GradNorm (Chen et al. 2018) at the last block's
LoRA. Everything else is as in lora-training.
"""

from dataclasses import dataclass, field, replace

import torch
from safetensors.torch import load_file

from record_lora_training import ADAMW, Case, build, lora, save_adapter, trained_weights
from recording import FIXTURES, change_by, disturb_last_bit, folder, rounding_of, save_meta, save_tensors

TOPIC = 'multi-task'
LARGEST_ROUNDING = {'losses': 1.5e-6, 'weights': 2e-5}
LEAST_SENSITIVITY = 1e-3
STEPS = 20
TASKS = [[0, 2], [1, 3]]


@dataclass(frozen=True)
class Lesson:
    seed: int
    objective: str
    options: dict = field(default_factory=dict)
    # A thing done wrongly.
    mistake: str | None = None


CASES = {
    'equal': Lesson(5000, 'equal-weights'),
    'uncertainty': Lesson(5010, 'uncertainty', {'learningRate': 0.3}),
    'dwa': Lesson(5020, 'dwa', {'temperature': 0.1, 'interval': 3}),
    'gradnorm': Lesson(5030, 'gradnorm', {'alpha': 1.5, 'rate': 0.05}),
}


def task_losses(model, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    entropy = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction='none')
    weighed = weights[:, 1:] * entropy
    return torch.stack([weighed[rows].sum() / weights[rows].sum() for rows in TASKS])


def mean_loss(losses: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    sums = torch.stack([weights[rows].sum() for rows in TASKS])
    return (losses * sums).sum() / sums.sum()


def run(lesson: Lesson, batches, path=None, disturbance: int | None = None) -> dict:
    case = Case(lesson.seed, 'llama', lora(['q_proj', 'v_proj']), max_norm=1.0)
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    if path:
        save_adapter(model, path / 'initial')
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    last_block = [p for name, p in model.named_parameters() if p.requires_grad and 'layers.1.' in name]
    log_variances = torch.nn.Parameter(torch.zeros(2))
    groups = [{'params': trainable}]
    if lesson.objective == 'uncertainty':
        groups.append({'params': [log_variances], 'lr': lesson.options['learningRate'], 'weight_decay': 0.0})
    optimizer = torch.optim.AdamW(groups, **case.adamw)
    weights_of_tasks = torch.ones(2, dtype=torch.float64)
    first, interval, means = None, [], []
    losses, each, factors = [], [], []
    for ids, weights in list(zip(batches['input_ids'], batches['weights']))[:STEPS]:
        parts = task_losses(model, ids, weights)
        if lesson.objective == 'uncertainty':
            factor = torch.exp(-log_variances)
            regulariser = log_variances * (1.0 if lesson.mistake == 'regulariser' else 0.5)
            total = (factor * parts + regulariser).sum()
        else:
            factor = weights_of_tasks.float()
            total = (factor * parts).sum()
        found = parts.detach().double()
        if lesson.objective == 'gradnorm':
            norms = torch.stack([
                torch.sqrt(sum((g**2).sum() for g in torch.autograd.grad(part, last_block, retain_graph=True)))
                for part in parts
            ]).double()
            first = found if first is None else first
            left = found / first
            alpha = 0.5 if lesson.mistake == 'alpha' else lesson.options['alpha']
            wanted = (left / left.mean()) ** alpha
            weighed = weights_of_tasks * norms
            direction = torch.sign(weighed / weighed.mean() - wanted)
            moved = (weights_of_tasks - lesson.options['rate'] * direction * norms / weighed.mean()).clamp(min=1e-3)
            weights_of_tasks = moved / moved.mean()
        if lesson.objective == 'dwa':
            interval.append(found)
            if len(interval) == lesson.options['interval']:
                means, interval = [*means, torch.stack(interval).mean(0)][-2:], []
            if len(means) == 2:
                ratio = means[0] / means[1] if lesson.mistake == 'ratio' else means[1] / means[0]
                weights_of_tasks = 2 * torch.softmax(ratio / lesson.options['temperature'], 0)
        if lesson.mistake == 'equal':
            weights_of_tasks = torch.ones(2, dtype=torch.float64)
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(trainable, case.max_norm)
        if lesson.objective == 'uncertainty':
            torch.nn.utils.clip_grad_norm_([log_variances], case.max_norm)
        optimizer.step()
        losses.append(mean_loss(parts, weights).detach())
        each.append(parts.detach())
        factors.append(factor.detach())
    if path:
        save_adapter(model, path / 'final')
    curve = {'losses': losses, 'tasks': each, 'factors': factors}
    return {
        'results': {name: torch.stack(values) for name, values in curve.items()},
        'weights': trained_weights(model, case),
    }


def mistakes(lesson: Lesson):
    names = {'uncertainty': ['regulariser'], 'dwa': ['ratio', 'equal'], 'gradnorm': ['alpha', 'equal']}
    for name in names.get(lesson.objective, []):
        yield name, replace(lesson, mistake=name)


def record(name: str, batches) -> dict:
    lesson, path = CASES[name], folder(TOPIC, name)
    recorded = run(lesson, batches, path)
    print(name, recorded['results']['factors'].tolist())
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(lesson, batches, disturbance=lesson.seed + i) for i in (1, 2, 3)]
    return {
        'seed': lesson.seed,
        'base': 'families/llama',
        'objective': lesson.objective,
        'options': lesson.options,
        'steps': STEPS,
        'adamw': ADAMW,
        'maxGradientNorm': 1.0,
        'rounding': rounding_of(name, recorded, disturbed, LARGEST_ROUNDING),
        'sensitivity': {
            mistake: change_by(name, mistake, run(wrong, batches), recorded, LEAST_SENSITIVITY)
            for mistake, wrong in mistakes(lesson)
        },
    }


if __name__ == '__main__':
    recorded_batches = load_file(FIXTURES / 'lora-training' / 'batches.safetensors')
    recorded_batches['input_ids'] = recorded_batches['input_ids'].long()
    # The second task's early targets weigh nothing.
    recorded_batches['weights'][:, TASKS[1], :8] = 0
    save_meta(TOPIC, __file__, {name: record(name, recorded_batches) for name in CASES})
