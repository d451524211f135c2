"""Records twenty steps of FishMask (Sung, Nair and Raffel 2021), as a few lines of PyTorch from the paper and its code.

The squared gradients of single rows are summed (or their magnitudes, or for a classifier those of every label weighed by
its probability), the largest over all weights make a fixed mask, and gradients are masked from then on. Without decay a
masked weight stands still. A classifier trains whole and is counted in. Decoders start from the models of `families` on
the batches of `lora-training`, the classifier from that of `bitfit-bert`; `rounding` and `sensitivity` in meta.json are as
there.
"""

from dataclasses import dataclass, replace

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM, BertForSequenceClassification

from recording import FIXTURES, disturb_last_bit, folder, generator, relative_error, save_meta, save_tensors
from record_lora_training import weighted_loss

TOPIC = 'fish-mask'
STEPS, ROWS, LENGTH, LABELS = 20, 4, 12, 3
BATCHES_SEED = 3300
LARGEST_ROUNDING = {'losses': 2e-6, 'gradient_norms': 2e-5, 'deltas': 3e-5}
LEAST_SENSITIVITY, LEAST_GAP = 1e-2, 1e-3


@dataclass(frozen=True)
class Case:
    base: str
    seed: int
    ratio: float
    samples: int
    labels: str = 'data'
    score: str = 'square'
    lr: float = 5e-3
    eps: float = 1e-3
    weight_decay: float = 0.1
    max_norm: float = 1.0
    mistake: str = ''


CASES = {
    'llama': Case('families/llama', 3301, ratio=0.015, samples=10),
    'gpt2-absolute': Case('families/gpt2', 3302, ratio=0.005, samples=10, score='absolute', max_norm=0.5),
    'bert-model-labels': Case('bitfit-bert/base', 3303, ratio=0.02, samples=9, labels='model', max_norm=2.0),
}


def draw_batches() -> dict[str, torch.Tensor]:
    gen = generator(BATCHES_SEED)
    ids = torch.randint(3, 96, (STEPS, ROWS, LENGTH), generator=gen)
    classes = torch.randint(LABELS, (STEPS, ROWS), generator=gen)
    return {'input_ids': ids, 'classes': classes, 'weights': torch.ones(STEPS, ROWS, LENGTH)}


def build(case: Case) -> nn.Module:
    family = BertForSequenceClassification if case.base.startswith('bitfit') else AutoModelForCausalLM
    return family.from_pretrained(FIXTURES / case.base, attn_implementation='eager')


def is_classifier(name: str) -> bool:
    return name.startswith('classifier')


def loss_of(model: nn.Module, batch: dict) -> torch.Tensor:
    """The mean over rows of -log p(label), or of all weighed tokens -log p(token)."""
    if 'classes' in batch:
        return nn.functional.cross_entropy(model(input_ids=batch['input_ids']).logits, batch['classes'])
    logits = model(input_ids=batch['input_ids'], use_cache=False).logits
    return weighted_loss(logits, batch['input_ids'], batch['weights'])


def scores_of(model: nn.Module, case: Case, batches: dict) -> dict[str, torch.Tensor]:
    """The importance of every weight, over the first rows."""
    measure = torch.square if case.score == 'square' else torch.abs
    scores = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}

    def add_gradients(loss: torch.Tensor, weight: torch.Tensor | float) -> None:
        model.zero_grad()
        loss.backward(retain_graph=True)
        for name, parameter in model.named_parameters():
            scores[name] += weight * measure(parameter.grad)

    rows = {name: values.flatten(0, 1)[: case.samples] for name, values in batches.items()}
    if case.mistake == 'wholeBatch':
        add_gradients(loss_of(model, rows), 1.0)
        return scores
    for index in range(case.samples):
        row = {name: values[index : index + 1] for name, values in rows.items()}
        if case.labels == 'data':
            add_gradients(loss_of(model, row), 1.0)
            continue
        log_probabilities = model(input_ids=row['input_ids']).logits.log_softmax(-1)[0]
        for log_probability in log_probabilities:
            weight = 1.0 if case.mistake == 'unweighed' else log_probability.exp().detach()
            add_gradients(-log_probability, weight)
    return scores


def choose(scores: dict[str, torch.Tensor], case: Case) -> tuple[dict[str, torch.Tensor], float]:
    """Masks of the largest scores of all weights together, and how near the last kept is to the first that is not."""
    total = sum(score.numel() for score in scores.values())
    whole = {name: torch.ones_like(score, dtype=torch.bool) for name, score in scores.items() if is_classifier(name)}
    counted = 0 if case.mistake == 'classifierNotCounted' else sum(mask.numel() for mask in whole.values())
    names = [name for name in scores if name not in whole]
    count = int(total * case.ratio) - counted
    if case.mistake == 'eachWeight':
        masks = {}
        for name in names:
            kept = max(1, int(scores[name].numel() * case.ratio))
            masks[name] = scores[name] >= scores[name].flatten().topk(kept).values[-1]
        return masks | whole, 0.0
    flat = torch.cat([scores[name].flatten() for name in names])
    ranked = flat.sort(descending=True).values
    masks = {name: scores[name] >= ranked[count - 1] for name in names}
    return masks | whole, ((ranked[count - 1] - ranked[count]) / ranked[count - 1]).item()


def train(model: nn.Module, case: Case, batches: dict) -> dict:
    masks, gap = choose(scores_of(model, case, batches), case)
    start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    groups = [
        {'params': [p], 'weight_decay': case.weight_decay if is_classifier(name) and p.dim() > 1 else 0.0}
        for name, p in model.named_parameters()
    ]
    optimizer = torch.optim.AdamW(groups, lr=case.lr, eps=case.eps)
    losses, gradient_norms = [], []
    for step in range(STEPS):
        loss = loss_of(model, {name: values[step] for name, values in batches.items()})
        optimizer.zero_grad()
        loss.backward()
        for name, parameter in model.named_parameters():
            parameter.grad *= masks[name]
        gradient_norms.append(nn.utils.clip_grad_norm_(model.parameters(), case.max_norm))
        optimizer.step()
        losses.append(loss.detach())
    end = {name: parameter.detach() for name, parameter in model.named_parameters()}
    return {
        'results': {'losses': torch.stack(losses), 'gradient_norms': torch.stack(gradient_norms)},
        'masks': masks,
        'gap': gap,
        'deltas': {name: (end[name].double() - start[name].double()).float() for name in end},
        'whole': {name: end[name] for name in end if is_classifier(name)},
    }


def sparse(recorded: dict) -> dict[str, torch.Tensor]:
    """What an adapter holds: positions and differences of every weight that has some, and the classifier."""
    tensors = dict(recorded['whole'])
    for name, mask in recorded['masks'].items():
        if not is_classifier(name) and mask.any():
            tensors[f'{name}.positions'] = mask.flatten().nonzero()[:, 0]
            tensors[f'{name}.delta'] = recorded['deltas'][name].flatten()[mask.flatten()]
    return tensors


def run(case: Case, batches: dict, disturbance: int | None = None) -> dict:
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    return train(model, case, batches)


def deltas_differ(other: dict, recorded: dict) -> float:
    """The largest difference of a weight's difference, relative to the largest of all."""
    largest = max(delta.abs().max() for delta in recorded['deltas'].values())
    differences = [(other['deltas'][name] - delta).abs().max() for name, delta in recorded['deltas'].items()]
    return (max(differences) / largest).item()


def mistakes(case: Case):
    """The case with one thing done wrongly, by name."""
    yield 'clipping', replace(case, max_norm=float('inf'))
    yield 'eachWeight', replace(case, mistake='eachWeight')
    yield 'otherScore', replace(case, score='absolute' if case.score == 'square' else 'square')
    if case.labels == 'model':
        yield 'dataLabels', replace(case, labels='data')
        yield 'unweighed', replace(case, mistake='unweighed')
        yield 'classifierNotCounted', replace(case, mistake='classifierNotCounted')
    else:
        yield 'wholeBatch', replace(case, mistake='wholeBatch')


def record(name: str, batches: dict) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches)
    assert recorded['gap'] > LEAST_GAP, f'{name}: a choice is as near as {recorded["gap"]}'
    save_tensors(path / 'expected.safetensors', recorded['results'])
    save_tensors(path / 'final.safetensors', sparse(recorded))

    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2, 3)]
    for other in disturbed:
        assert all(torch.equal(other['masks'][key], mask) for key, mask in recorded['masks'].items()), name
    moved = {
        key: max(relative_error(other['results'][key], value) for other in disturbed)
        for key, value in recorded['results'].items()
    }
    moved['deltas'] = max(deltas_differ(other, recorded) for other in disturbed)
    for key, limit in LARGEST_ROUNDING.items():
        assert moved[key] < limit, f'{name}: {key} moves by {moved[key]} with the last bit of the weights'
    sensitivity = {}
    for mistake, wrong_case in mistakes(case):
        sensitivity[mistake] = deltas_differ(run(wrong_case, batches), recorded)
        assert sensitivity[mistake] > LEAST_SENSITIVITY, f'{name}: {mistake} changes the result by {sensitivity[mistake]}'
    kept = {key: int(mask.sum()) for key, mask in recorded['masks'].items() if mask.any() and not is_classifier(key)}
    return {
        'seed': case.seed,
        'base': case.base,
        'options': {'ratio': case.ratio, 'samples': case.samples, 'labels': case.labels, 'score': case.score},
        'steps': STEPS,
        'adamw': {'lr': case.lr, 'eps': case.eps, 'weight_decay': case.weight_decay},
        'maxGradientNorm': case.max_norm,
        'stepsClipped': int((recorded['results']['gradient_norms'] > case.max_norm).sum()),
        'kept': sum(kept.values()),
        'weightsTouched': len(kept),
        'leastGap': recorded['gap'],
        'rounding': moved,
        'sensitivity': sensitivity,
    }


def batches_for(case: Case) -> dict[str, torch.Tensor]:
    topic = TOPIC if case.base.startswith('bitfit') else 'lora-training'
    batches = load_file(FIXTURES / topic / 'batches.safetensors')
    wanted = ('input_ids', 'classes') if topic == TOPIC else ('input_ids', 'weights')
    return {name: batches[name].long() if batches[name].dtype == torch.int32 else batches[name] for name in wanted}


if __name__ == '__main__':
    save_tensors(folder(TOPIC) / 'batches.safetensors', draw_batches())
    save_meta(TOPIC, __file__, {name: record(name, batches_for(case)) for name, case in CASES.items()})
