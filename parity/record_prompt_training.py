"""Records twenty steps of PEFT's prefix tuning, prompt tuning and P-tuning under torch.optim.AdamW.

Every case starts from a recorded model and encoder and sees the batches of `lora-training`. An adapter as PEFT saves it
holds what the encoder computes; the encoder itself is recorded beside it, so that the steps can be taken again. For
`rounding` and `sensitivity` in meta.json see record_lora_training.py.
"""

import copy
from dataclasses import dataclass, field, replace

import torch
from peft import PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from recording import (
    FIXTURES,
    change_by,
    disturb_last_bit,
    folder,
    generator,
    normal,
    rounding_of,
    save_meta,
    save_tensors,
)

TOPIC = 'prompt-training'
TOKENS = 5
ADAMW = {'lr': 1e-2, 'betas': (0.9, 0.999), 'eps': 1e-8, 'weight_decay': 0.01}
LARGEST_ROUNDING = {'losses': 2e-6, 'weights': 4e-5, 'probe_logits.final': 4e-5}
LEAST_SENSITIVITY = 1e-3


@dataclass(frozen=True)
class Case:
    seed: int
    base: str
    prompt: object
    std: float = 0.4
    max_norm: float = 1.0
    adamw: dict = field(default_factory=lambda: ADAMW)
    shifted: bool = True
    windowed: bool = True


def prompt(kind, **options):
    return kind(num_virtual_tokens=TOKENS, task_type='CAUSAL_LM', **options)


CASES = {
    'llama-prefix': Case(2000, 'llama', prompt(PrefixTuningConfig)),
    'llama-prefix-projection': Case(
        2100, 'llama', prompt(PrefixTuningConfig, prefix_projection=True, encoder_hidden_size=12)
    ),
    'gpt2-prefix': Case(2200, 'gpt2', prompt(PrefixTuningConfig)),
    'mistral-sliding-prefix': Case(2300, 'mistral-sliding', prompt(PrefixTuningConfig)),
    'llama-prompt': Case(2400, 'llama', prompt(PromptTuningConfig)),
    'gpt2-prompt': Case(2500, 'gpt2', prompt(PromptTuningConfig)),
    'llama-p-tuning-mlp': Case(2600, 'llama', prompt(PromptEncoderConfig, encoder_hidden_size=12)),
    'gpt2-p-tuning-lstm': Case(
        2700,
        'gpt2',
        prompt(PromptEncoderConfig, encoder_reparameterization_type='LSTM', encoder_hidden_size=6, encoder_num_layers=2),
    ),
}


def is_prefix(case: Case) -> bool:
    return isinstance(case.prompt, PrefixTuningConfig)


def weighted_loss(logits: torch.Tensor, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """sum(w · cross entropy) / sum(w), every token predicted from the position before it."""
    entropy = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction='none')
    return (weights[:, 1:].flatten() * entropy).sum() / weights.sum()


def build(case: Case):
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / case.base, attn_implementation='eager')
    if not case.windowed:
        base.config.sliding_window = None
    model = get_peft_model(base, copy.deepcopy(case.prompt))
    gen = generator(case.seed)
    with torch.no_grad():
        for parameter in encoder(model).parameters():
            parameter.copy_(normal(gen, *parameter.shape, std=case.std))
    model.peft_config['default'].base_model_name_or_path = f'parity/fixtures/families/{case.base}'
    return model


def encoder(model):
    return model.prompt_encoder['default']


def weights_of(model) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in encoder(model).state_dict().items()}


def logits_of(model, case: Case, ids: torch.Tensor) -> torch.Tensor:
    """The text's logits. PEFT counts positions from behind a prefix; `shifted` false begins at 0, to see that it matters."""
    places = {} if case.shifted else {'position_ids': torch.arange(ids.shape[1]).expand_as(ids) - TOKENS}
    logits = model(input_ids=ids, **places).logits
    return logits[:, -ids.shape[1] :]


def train(model, case: Case, batches) -> dict[str, torch.Tensor]:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert len(trainable) == len(list(encoder(model).parameters()))
    optimizer = torch.optim.AdamW(trainable, **case.adamw)
    losses, gradient_norms = [], []
    for ids, weights in zip(batches['input_ids'], batches['weights']):
        loss = weighted_loss(logits_of(model, case, ids), ids, weights)
        optimizer.zero_grad()
        loss.backward()
        gradient_norms.append(torch.nn.utils.clip_grad_norm_(trainable, case.max_norm))
        optimizer.step()
        losses.append(loss.detach())
    return {'losses': torch.stack(losses), 'gradient_norms': torch.stack(gradient_norms)}


def save(model, path) -> None:
    model.save_pretrained(path)
    (path / 'README.md').unlink()
    save_tensors(path / 'encoder.safetensors', weights_of(model))


@torch.no_grad()
def probe(model, case: Case, batches) -> torch.Tensor:
    return logits_of(model, case, batches['probe_ids'])


def run(case: Case, batches, path=None, disturbance: int | None = None) -> dict:
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    if path:
        save(model, path / 'initial')
    before = probe(model, case, batches)
    curve = train(model, case, batches)
    if path:
        save(model, path / 'final')
    return {
        'results': {**curve, 'probe_logits.initial': before, 'probe_logits.final': probe(model, case, batches)},
        'weights': weights_of(model),
    }


def mistakes(case: Case, batches):
    """The case with one thing done wrongly, by name."""
    even = {**batches, 'weights': (batches['weights'] > 0).float()}
    yield 'weightDecay', replace(case, adamw={**case.adamw, 'weight_decay': 0.0}), batches
    yield 'tokenWeights', case, even
    if is_prefix(case):
        yield 'positions', replace(case, shifted=False), batches
    if case.base == 'mistral-sliding':
        yield 'window', replace(case, windowed=False), batches


def record(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
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
        'steps': len(batches['input_ids']),
        'adamw': case.adamw,
        'maxGradientNorm': case.max_norm,
        'losses': recorded['results']['losses'].tolist(),
        'stepsClipped': int((norms > case.max_norm).sum()),
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    batches = load_file(FIXTURES / 'lora-training' / 'batches.safetensors')
    batches = {name: tensor.long() if name != 'weights' else tensor for name, tensor in batches.items()}
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES})
