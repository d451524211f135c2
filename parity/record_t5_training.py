"""Records twenty steps of PEFT's methods on the T5s of record_t5.py, under torch.optim.AdamW.

Every case sees the same batches: sources of different lengths, and answers whose tokens have weights of their own. What
`rounding` and `sensitivity` in meta.json are: README.md beside this file.
"""

import copy
import json
from dataclasses import dataclass, field, replace

import torch
from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from transformers import AutoModelForSeq2SeqLM

from recording import (
    FIXTURES,
    change_by,
    disturb_last_bit,
    folder,
    generator,
    normal,
    rounding_of,
    save_json,
    save_meta,
    save_tensors,
)

TOPIC = 't5-training'
STEPS, ROWS, SOURCE, LENGTH, VOCABULARY = 20, 4, 14, 10, 96
TOKENS = 5
# A larger epsilon and a smaller rate: feed-forward layers of ReLU have corners, at which rounding decides.
ADAMW = {'lr': 1e-3, 'betas': (0.9, 0.999), 'eps': 1e-4, 'weight_decay': 0.1}
LARGEST_ROUNDING = {'losses': 2e-6, 'weights': 4e-5, 'probe_logits.final': 4e-5}
LEAST_SENSITIVITY = 1e-3


@dataclass(frozen=True)
class Case:
    seed: int
    base: str
    config: object
    max_norm: float = 1.0
    adamw: dict = field(default_factory=lambda: ADAMW)


SEQ2SEQ = {'task_type': 'SEQ_2_SEQ_LM'}
CASES = {
    'lora': Case(5000, 't5', LoraConfig(r=4, lora_alpha=8, **SEQ2SEQ)),
    'lora-all': Case(5100, 't5', LoraConfig(r=2, lora_alpha=4, target_modules='all-linear', **SEQ2SEQ)),
    'ia3': Case(5200, 't5', IA3Config(**SEQ2SEQ), max_norm=0.12),
    # By itself PEFT would take the heads to be as wide as d_model has room for.
    'prefix': Case(5300, 't5', PrefixTuningConfig(num_virtual_tokens=TOKENS, token_dim=60, **SEQ2SEQ)),
    'prompt': Case(5400, 't5', PromptTuningConfig(num_virtual_tokens=TOKENS, **SEQ2SEQ)),
}


def draw_batches() -> dict[str, torch.Tensor]:
    """Five batches over and over, and one to probe with; answers begin with the token that T5's do here."""
    gen = generator(950)
    shape = (6, ROWS, SOURCE)
    lengths = torch.randint(4, SOURCE + 1, (6, ROWS, 1), generator=gen)
    lengths[:, 0] = SOURCE
    mask = (torch.arange(SOURCE).expand(shape) < lengths).long()
    ids = torch.randint(3, VOCABULARY, (6, ROWS, LENGTH), generator=gen)
    ids[..., 0] = 2
    weights = torch.tensor([0.0, 0.1, 1.0])[torch.randint(3, ids.shape, generator=gen)]
    weights[..., 0] = 0
    return {
        'source_ids': torch.randint(3, VOCABULARY, shape, generator=gen) * mask,
        'source_mask': mask,
        'input_ids': ids,
        'weights': weights,
    }


def at_step(batches: dict[str, torch.Tensor], step: int) -> dict[str, torch.Tensor]:
    return {name: tensor[step] for name, tensor in batches.items()}


def logits_of(model, batch) -> torch.Tensor:
    return model(
        input_ids=batch['source_ids'],
        attention_mask=batch['source_mask'],
        decoder_input_ids=batch['input_ids'],
        use_cache=False,
    ).logits


def weighted_loss(model, batch) -> torch.Tensor:
    """sum(w · cross entropy) / sum(w), every token predicted from the position before it."""
    logits, ids, weights = logits_of(model, batch), batch['input_ids'], batch['weights']
    entropy = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction='none')
    return (weights[:, 1:].flatten() * entropy).sum() / weights.sum()


def trained(model) -> dict[str, torch.Tensor]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def build(case: Case):
    base = AutoModelForSeq2SeqLM.from_pretrained(FIXTURES / 't5' / case.base, attn_implementation='eager')
    model = get_peft_model(base, copy.deepcopy(case.config))
    gen = generator(case.seed)
    with torch.no_grad():
        for name, parameter in trained(model).items():
            is_scale, is_low = 'ia3' in name, 'lora_B' in name
            std = 0.1 if is_low or is_scale else 0.4 if 'prompt_encoder' in name else 0.2
            parameter.copy_(normal(gen, *parameter.shape, mean=1.0 if is_scale else 0.0, std=std))
    model.peft_config['default'].base_model_name_or_path = f'parity/fixtures/t5/{case.base}'
    return model


def save(model, path) -> None:
    model.save_pretrained(path)
    (path / 'README.md').unlink()
    config = json.loads((path / 'adapter_config.json').read_text())
    # PEFT holds these as sets, and writes them in an order that changes from process to process.
    for name in ('target_modules', 'feedforward_modules'):
        if config.get(name):
            config[name] = sorted(config[name])
    save_json(path / 'adapter_config.json', config)


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
    parameters = list(trained(model).values())
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
    weights = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
    return {
        'results': {
            'losses': torch.stack(losses),
            'gradient_norms': torch.stack(norms),
            'probe_logits.initial': before,
            'probe_logits.final': probe(),
        },
        'weights': weights,
    }


def mistakes(case: Case, batches, clips: bool):
    yield 'weightDecay', replace(case, adamw={**case.adamw, 'weight_decay': 0.0}), batches
    if clips:
        yield 'clipping', replace(case, max_norm=float('inf')), batches
    yield 'sourceMask', case, {**batches, 'source_mask': torch.ones_like(batches['source_mask'])}
    yield 'tokenWeights', case, {**batches, 'weights': (batches['weights'] > 0).float()}


def record(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2, 3)]
    moved = rounding_of(name, recorded, disturbed, LARGEST_ROUNDING)
    norms = recorded['results']['gradient_norms']
    clips = bool((norms > case.max_norm).any())
    sensitivity = {
        mistake: change_by(name, mistake, run(wrong, seen), recorded, LEAST_SENSITIVITY / 3)
        for mistake, wrong, seen in mistakes(case, batches, clips)
    }
    return {
        'seed': case.seed,
        'base': f't5/{case.base}',
        'steps': STEPS,
        'adamw': case.adamw,
        'maxGradientNorm': case.max_norm,
        'losses': recorded['results']['losses'].tolist(),
        'stepsClipped': int((norms > case.max_norm).sum()),
        'rounding': moved,
        'sensitivity': sensitivity,
    }


@torch.no_grad()
def label_loss(batches) -> float:
    """transformers' own loss, from labels that it shifts by itself."""
    model = AutoModelForSeq2SeqLM.from_pretrained(FIXTURES / 't5' / 't5', attn_implementation='eager')
    batch = at_step(batches, 0)
    return model(
        input_ids=batch['source_ids'], attention_mask=batch['source_mask'], labels=batch['input_ids'][:, 1:].contiguous()
    ).loss.item()


if __name__ == '__main__':
    batches = draw_batches()
    save_tensors(folder(TOPIC) / 'batches.safetensors', batches)
    loss = label_loss(batches)
    save_json(folder(TOPIC) / 'label-loss.json', {'loss': loss})
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES})
