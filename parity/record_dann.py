"""Records twenty steps of domain-adversarial training (Ganin et al. 2016) of PEFT's LoRA on BERT, the reversal a torch.autograd.Function.

Batches are those of lora-classifier: of each four rows the first and the third are the source's, the others the target's without their
labels. The domain classifier reads the first token's last state. Rounding and sensitivity are as there.
"""

import math

import torch
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file

from record_lora_classifier import ADAMW, CASES, SEED, STEPS, at_step, build, inputs_of, save_adapter
from recording import FIXTURES, change_by, disturb_last_bit, folder, generator, normal, rounding_of, save_meta, save_tensors

TOPIC = 'dann'
UNITS = 8
LARGEST_ROUNDING = {'losses': 3e-6, 'weights': 3e-5}
LEAST_SENSITIVITY = 1e-3
OPTIONS = {'lambda': 0.5, 'steepness': 4.0, 'units': UNITS}
SOURCE, TARGET = [0, 2], [1, 3]


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(context, x, factor):
        context.factor = factor
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return -context.factor * gradient, None


def domain_weights() -> dict[str, torch.Tensor]:
    gen = generator(SEED + 7)
    return {
        'hidden.weight': normal(gen, UNITS, 64, std=0.3),
        'hidden.bias': normal(gen, UNITS, std=0.1),
        'output.weight': normal(gen, 1, UNITS, std=0.5),
        'output.bias': normal(gen, 1, std=0.1),
    }


def run(batches, path=None, disturbance: int | None = None, sign=1.0, gamma=OPTIONS['steepness'], mean_of_all=False) -> dict:
    case = CASES['bert']
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    domain = {name: torch.nn.Parameter(value) for name, value in domain_weights().items()}
    if path:
        save_adapter(model, path / 'initial')
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad] + list(domain.values())
    optimizer = torch.optim.AdamW(trainable, **ADAMW)
    losses, norms, domains, accuracies = [], [], [], []
    for step in range(STEPS):
        factor = OPTIONS['lambda'] * (2 / (1 + math.exp(-gamma * step / STEPS)) - 1)
        inputs = inputs_of(at_step(batches, step % 5), case)
        labels = inputs.pop('labels')
        out = model(**inputs, output_hidden_states=True)
        loss = torch.nn.functional.cross_entropy(out.logits[SOURCE], labels[SOURCE])
        states = Reverse.apply(out.hidden_states[-1][:, 0], sign * factor)
        hidden = torch.relu(states @ domain['hidden.weight'].T + domain['hidden.bias'])
        logits = (hidden @ domain['output.weight'].T + domain['output.bias'])[:, 0]
        softplus = torch.nn.functional.softplus
        source, target = softplus(logits[SOURCE]).mean(), softplus(-logits[TARGET]).mean()
        total = loss + ((source + target) / 2 if mean_of_all else source + target)
        optimizer.zero_grad()
        total.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trainable, case.max_norm))
        optimizer.step()
        losses.append(loss.detach())
        domains.append(torch.stack([source, target]).detach())
        accuracies.append(((logits > 0) == torch.tensor([False, True, False, True])).float().mean())
    if path:
        save_adapter(model, path / 'final')
    weights = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
    curve = {'losses': losses, 'gradient_norms': norms, 'domains': domains, 'accuracies': accuracies}
    return {'results': {key: torch.stack(values) for key, values in curve.items()}, 'weights': weights}


def record(batches) -> dict:
    path = folder(TOPIC, 'bert')
    recorded = run(batches, path)
    save_tensors(path / 'expected.safetensors', {**recorded['results'], **domain_weights()})
    moved = rounding_of('bert', recorded, [run(batches, disturbance=SEED + i) for i in (1, 2, 3)], LARGEST_ROUNDING)
    wrong = {
        'notReversed': run(batches, sign=-1.0),
        'noDomain': run(batches, sign=0.0),
        'steepness': run(batches, gamma=10.0),
        'meanOfAll': run(batches, mean_of_all=True),
    }
    return {
        'seed': SEED,
        'base': 'encoders/bert',
        'steps': STEPS,
        'options': OPTIONS,
        'adamw': ADAMW,
        'maxGradientNorm': CASES['bert'].max_norm,
        'rounding': moved,
        'sensitivity': {
            name: change_by('bert', name, other, recorded, LEAST_SENSITIVITY) for name, other in wrong.items()
        },
    }


if __name__ == '__main__':
    recorded_batches = load_file(FIXTURES / 'lora-classifier' / 'batches.safetensors')
    recorded_batches = {name: t.long() if t.dtype != torch.float32 else t for name, t in recorded_batches.items()}
    save_meta(TOPIC, __file__, {'bert': record(recorded_batches)})
