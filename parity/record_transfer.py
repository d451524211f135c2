"""Records twenty steps of distillation, of learning without forgetting and of elastic weight consolidation, written out
in PyTorch, with PEFT's LoRA.

Distillation is Hinton's loss: (1 - weight) · cross entropy + weight · T² · KL at temperature T, of all tokens or of the
teacher's likeliest; the teacher is the recorded GPT-2, the student the recorded Llama. Learning without forgetting
keeps to what the model with its adapter off says at temperature T. Elastic weight consolidation has the penalty of
Kirkpatrick et al. 2017, eq. 3, in its gradient, and not in the losses that are recorded. Batches are those of lora-training; everything else
as there.
"""

from dataclasses import dataclass, field, replace
from functools import cache

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from record_lora_training import ADAMW, Case, build, lora, save_adapter, trained_weights
from recording import FIXTURES, change_by, disturb_last_bit, folder, rounding_of, save_meta, save_tensors

TOPIC = 'transfer'
LARGEST_ROUNDING = {'losses': 1.5e-6, 'weights': 2e-5}
LEAST_SENSITIVITY = 1e-3
STEPS = 20
# Rows of the last batches, which stand for an earlier task's.
EARLIER = 8


@dataclass(frozen=True)
class Lesson:
    """`answers` and `teacher` weigh the two parts of the loss; no teacher named means the model with its adapter off."""

    seed: int
    objective: str
    options: dict
    answers: float
    taught: float
    temperature: float
    teacher: str | None = None
    top: int | None = None
    reverse: bool = False
    # Lambda of elastic weight consolidation.
    consolidation: float | None = None
    student: Case = field(default_factory=lambda: Case(0, 'llama', lora(['q_proj', 'v_proj']), max_norm=1.0))

    def case(self) -> Case:
        return replace(self.student, seed=self.seed)


def distilled(seed: int, weight: float, temperature: float, **rest) -> Lesson:
    options = {'weight': weight, 'temperature': temperature, 'top': rest.get('top', 96)}
    if rest.get('reverse'):
        options['direction'] = 'reverse'
    taught = weight * temperature**2
    return Lesson(seed, 'distillation', options, 1 - weight, taught, temperature, teacher='gpt2', **rest)


CASES = {
    'distillation': distilled(3000, 0.5, 2.0),
    'distillation-top': distilled(3010, 0.75, 3.0, top=8),
    'distillation-reverse': distilled(3020, 1.0, 2.0, reverse=True),
    'without-forgetting': Lesson(
        3030, 'without-forgetting', {'weight': 1.5, 'temperature': 2.0}, answers=1.0, taught=1.5, temperature=2.0
    ),
    'ewc': Lesson(3040, 'sft', {'lambda': 300.0, 'samples': EARLIER}, 1.0, 0.0, 1.0, consolidation=300.0),
}


@cache
def teacher_of(name: str):
    return AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / name, attn_implementation='eager').eval()


def teacher_logits(lesson: Lesson, model, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        if lesson.teacher is not None:
            return teacher_of(lesson.teacher)(input_ids=ids, use_cache=False).logits
        with model.disable_adapter():
            return model(input_ids=ids, use_cache=False).logits


def divergence(lesson: Lesson, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """KL between both distributions at the lesson's temperature, position by position."""
    q = torch.log_softmax(student / lesson.temperature, -1)
    if lesson.top is not None:
        teacher, tokens = teacher.topk(lesson.top, -1)
        q = q.gather(-1, tokens)
    p = torch.log_softmax(teacher / lesson.temperature, -1)
    over, other = (q, p) if lesson.reverse else (p, q)
    return (over.exp() * (over - other)).sum(-1)


def loss_of(lesson: Lesson, model, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    entropy = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction='none')
    if lesson.taught == 0:
        return (weights[:, 1:].flatten() * entropy).sum() / weights.sum()
    apart = divergence(lesson, logits, teacher_logits(lesson, model, ids)[:, :-1]).flatten()
    return (weights[:, 1:].flatten() * (lesson.answers * entropy + lesson.taught * apart)).sum() / weights.sum()


def consolidated(lesson: Lesson, model, trainable, batches):
    """lambda / 2 · sum F · (theta - theta*)^2, with F the mean square of the gradients of single rows' losses."""
    fisher = [torch.zeros_like(parameter) for parameter in trainable]
    rows = list(zip(batches['input_ids'][STEPS - 2 :].flatten(0, 1), batches['weights'][STEPS - 2 :].flatten(0, 1)))
    for ids, weights in rows:
        gradients = torch.autograd.grad(loss_of(lesson, model, ids[None], weights[None]), trainable)
        for sums, gradient in zip(fisher, gradients):
            sums += gradient**2 / len(rows)
    anchors = [parameter.detach().clone() for parameter in trainable]

    def penalty() -> torch.Tensor:
        each = zip(fisher, trainable, anchors)
        return lesson.consolidation / 2 * sum((f * (theta - anchor) ** 2).sum() for f, theta, anchor in each)

    return penalty


def run(lesson: Lesson, batches, path=None, disturbance: int | None = None) -> dict:
    case = lesson.case()
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    if path:
        save_adapter(model, path / 'initial')
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, **case.adamw)
    penalty = consolidated(lesson, model, trainable, batches) if lesson.consolidation else lambda: 0.0
    losses, norms = [], []
    for ids, weights in list(zip(batches['input_ids'], batches['weights']))[:STEPS]:
        loss = loss_of(lesson, model, ids, weights)
        optimizer.zero_grad()
        (loss + penalty()).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trainable, case.max_norm))
        optimizer.step()
        losses.append(loss.detach())
    if path:
        save_adapter(model, path / 'final')
    results = {'losses': torch.stack(losses), 'gradient_norms': torch.stack(norms)}
    return {'results': results, 'weights': trained_weights(model, case)}


def mistakes(lesson: Lesson):
    """The case with one thing done wrongly, by name."""
    if lesson.consolidation is not None:
        yield 'lambda', replace(lesson, consolidation=lesson.consolidation * 0.8)
        return
    yield 'temperature', replace(lesson, temperature=lesson.temperature + 0.5)
    yield 'weight', replace(lesson, taught=lesson.taught * 0.9)
    if lesson.teacher is not None:
        yield 'teacher', replace(lesson, teacher=None)
        yield 'direction', replace(lesson, reverse=not lesson.reverse)
    if lesson.top is not None:
        yield 'top', replace(lesson, top=None)


def record(name: str, batches) -> dict:
    lesson, path = CASES[name], folder(TOPIC, name)
    recorded = run(lesson, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(lesson, batches, disturbance=lesson.seed + i) for i in (1, 2, 3)]
    moved = rounding_of(name, recorded, disturbed, LARGEST_ROUNDING)
    sensitivity = {
        mistake: change_by(name, mistake, run(wrong, batches), recorded, LEAST_SENSITIVITY)
        for mistake, wrong in mistakes(lesson)
    }
    return {
        'seed': lesson.seed,
        'base': f'families/{lesson.student.base}',
        'teacher': lesson.teacher and f'families/{lesson.teacher}',
        'objective': lesson.objective,
        'options': lesson.options,
        'steps': STEPS,
        'adamw': ADAMW,
        'maxGradientNorm': lesson.student.max_norm,
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    recorded_batches = load_file(FIXTURES / 'lora-training' / 'batches.safetensors')
    recorded_batches['input_ids'] = recorded_batches['input_ids'].long()
    save_meta(TOPIC, __file__, {name: record(name, recorded_batches) for name in CASES})
