"""Records twenty steps of AdapterHub's bottleneck adapters on a T5 of record_t5.py, under torch.optim.AdamW.

In the environment of requirements-adapters.txt, as record_adapterhub_training.py; the batches are those of
record_t5_training.py.
"""

from dataclasses import dataclass, field, replace

import adapters
import torch
from safetensors.torch import load_file
from transformers import T5ForConditionalGeneration

from recording import FIXTURES, change_by, disturb_last_bit, folder, generator, normal, rounding_of, save_meta, save_tensors

TOPIC = 't5-adapterhub'
STEPS = 20
ADAMW = {'lr': 1e-3, 'betas': (0.9, 0.999), 'eps': 1e-4, 'weight_decay': 0.1}
LARGEST_ROUNDING = {'losses': 2e-6, 'weights': 4e-5, 'probe_logits.final': 4e-5}
LEAST_SENSITIVITY = 1e-3
CONFIGS = {
    'houlsby': adapters.DoubleSeqBnConfig(reduction_factor=16),
    'compacter': adapters.CompacterConfig(reduction_factor=16),
}


@dataclass(frozen=True)
class Case:
    seed: int
    config: str
    max_norm: float = 1.0
    adamw: dict = field(default_factory=lambda: ADAMW)


CASES = {config: Case(6000 + 100 * index, config) for index, config in enumerate(CONFIGS)}


def own(model) -> dict[str, torch.Tensor]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def build(case: Case):
    model = T5ForConditionalGeneration.from_pretrained(FIXTURES / 't5' / 't5', attn_implementation='eager')
    adapters.init(model)
    # Written to the config; its own would be the path on this machine.
    model.config.name_or_path = model.name_or_path = 't5'
    model.add_adapter('task', config=CONFIGS[case.config])
    # Without the base's dropout: train_adapter turns it on.
    model.train_adapter('task')
    model.eval()
    gen = generator(case.seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.requires_grad_('.task.' in name)
            if '.task.' not in name:
                continue
            # Kronecker factors multiply: they must be larger for the adapter to be seen.
            std = 0.5 if any(part in name for part in ('phm_rule', 'W_left', 'W_right')) else 0.2
            parameter.copy_(normal(gen, *parameter.shape, std=std))
    return model


def logits_of(model, batch) -> torch.Tensor:
    return model(
        input_ids=batch['source_ids'],
        attention_mask=batch['source_mask'],
        decoder_input_ids=batch['input_ids'],
        use_cache=False,
    ).logits


def weighted_loss(model, batch) -> torch.Tensor:
    logits, ids, weights = logits_of(model, batch), batch['input_ids'], batch['weights']
    entropy = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction='none')
    return (weights[:, 1:].flatten() * entropy).sum() / weights.sum()


def at_step(batches, step: int):
    return {name: tensor[step] for name, tensor in batches.items()}


def save(model, path) -> None:
    model.save_adapter(str(path), 'task', use_safetensors=True)
    # The library saves a language model's head beside every adapter, though nothing has trained it.
    for name in ('model_head.safetensors', 'head_config.json'):
        (path / name).unlink(missing_ok=True)
    # Nor does it save what Compacter's modules share: it looks for a name with a module before it, and T5 has none.
    rules = {name: tensor for name, tensor in own(model).items() if name.startswith('shared_parameters.')}
    if rules:
        save_tensors(path / 'rules.safetensors', {name.replace('.task', ''): rule for name, rule in rules.items()})


def run(case: Case, batches, path=None, disturbance: int | None = None) -> dict:
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    if path:
        save(model, path / 'initial')

    @torch.no_grad()
    def probe() -> torch.Tensor:
        return logits_of(model, at_step(batches, 5))

    before = probe()
    parameters = list(own(model).values())
    optimizer = torch.optim.AdamW(parameters, **case.adamw)
    losses, norms = [], []
    for step in range(STEPS):
        loss = weighted_loss(model, at_step(batches, step % 5))
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, case.max_norm))
        optimizer.step()
        losses.append(loss.detach())
    if path:
        save(model, path / 'final')
    return {
        'results': {
            'losses': torch.stack(losses),
            'gradient_norms': torch.stack(norms),
            'probe_logits.initial': before,
            'probe_logits.final': probe(),
        },
        'weights': {name: parameter.detach().clone() for name, parameter in own(model).items()},
    }


def record(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    moved = rounding_of(
        name, recorded, [run(case, batches, disturbance=case.seed + i) for i in (1, 2)], LARGEST_ROUNDING
    )
    wrong = run(replace(case, adamw={**case.adamw, 'weight_decay': 0.0}), batches)
    norms = recorded['results']['gradient_norms']
    return {
        'seed': case.seed,
        'base': 't5/t5',
        'steps': STEPS,
        'adamw': case.adamw,
        'maxGradientNorm': case.max_norm,
        'stepsClipped': int((norms > case.max_norm).sum()),
        'rounding': moved,
        'sensitivity': {'weightDecay': change_by(name, 'weightDecay', wrong, recorded, LEAST_SENSITIVITY / 3)},
    }


if __name__ == '__main__':
    batches = {
        name: tensor.long() if tensor.dtype == torch.int32 else tensor
        for name, tensor in load_file(FIXTURES / 't5-training' / 'batches.safetensors').items()
    }
    packages = ('torch', 'transformers', 'adapters', 'safetensors', 'numpy')
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES}, packages)
