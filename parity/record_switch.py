"""Records a tiny random Switch Transformer as record_t5.py does T5s: every second block of each stack has four experts.

As in record_mixtral.py no choice of an expert may hang on rounding or on the steps of finite differences, and every expert has tokens. `tight.safetensors` has the
logits of the same inputs where an expert takes three tokens of a row, and its losses; with the capacity of the config nothing is dropped.
"""

import copy
import shutil

import torch
from transformers import SwitchTransformersConfig, SwitchTransformersForConditionalGeneration
from transformers.models.switch_transformers.modeling_switch_transformers import SwitchTransformersTop1Router

from record_t5 import logits_of, record_outputs
from recording import disturb_last_bit, folder, generator, randomise, relative_error, save_meta, save_tensors

TOPIC, CASE, SEED = 'switch', 'switch', 820
LEAST_SENSITIVITY, LEAST_MARGIN, TIGHT, DRAWS = 1e-3, 0.2, 3, 128
SOURCE_LENGTHS, LENGTH = (16, 11), 12
CONFIG = SwitchTransformersConfig(
    vocab_size=96,
    d_model=64,
    d_kv=20,
    num_heads=3,
    d_ff=40,
    num_layers=2,
    num_decoder_layers=2,
    num_sparse_encoder_layers=1,
    num_sparse_decoder_layers=1,
    num_experts=4,
    relative_attention_num_buckets=12,
    relative_attention_max_distance=9,
    layer_norm_epsilon=1e-2,
    pad_token_id=0,
    eos_token_id=None,
    decoder_start_token_id=2,
)


def build(config, state=None):
    model = SwitchTransformersForConditionalGeneration._from_config(
        copy.deepcopy(config), attn_implementation='eager', dtype=torch.float32
    )
    if state is not None:
        model.load_state_dict(state)
    return model.eval()


def routers(model, inputs) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """By stack, each row's least gap between the two best logits of its router, and the experts that tokens chose."""
    seen = {}
    absent = {'encoder': inputs['source_mask'] == 0, 'decoder': torch.zeros_like(inputs['input_ids']).bool()}

    def keep(stack):
        def hook(_, __, output):
            best = output[2].topk(2)
            margins = (best.values[..., 0] - best.values[..., 1]).masked_fill(absent[stack], torch.inf)
            seen[stack] = margins.min(-1).values, best.indices[..., 0][~absent[stack]]

        return hook

    hooks = [
        module.register_forward_hook(keep(name.split('.')[0]))
        for name, module in model.named_modules()
        if isinstance(module, SwitchTransformersTop1Router)
    ]
    logits_of(model, inputs)
    for hook in hooks:
        hook.remove()
    return seen


def least_margins(model, inputs) -> torch.Tensor:
    """For each row the least gap between the two best logits of a router."""
    return torch.stack([margins for margins, _ in routers(model, inputs).values()]).min(0).values


def draw_rows(model, tight, gen) -> tuple[dict, float]:
    """Rows with clear choices that between them choose every expert, so that each has a gradient."""
    while True:
        rows = [draw_row(model, tight, length, gen) for length in SOURCE_LENGTHS]
        inputs = {name: torch.cat([row[name] for row, _ in rows]) for name in rows[0][0]}
        if all(len(chosen.unique()) == CONFIG.num_experts for _, chosen in routers(model, inputs).values()):
            return inputs, min(margin for _, margin in rows)


def draw_row(model, tight, length: int, gen) -> tuple[dict, float]:
    """A row of that source's length whose tokens have clear choices: rows hang on no other, so that each is drawn alone."""
    while True:
        mask = (torch.arange(max(SOURCE_LENGTHS)) < length).int().repeat(DRAWS, 1)
        inputs = {
            'source_ids': torch.randint(3, CONFIG.vocab_size, mask.shape, generator=gen) * mask,
            'source_mask': mask,
            'input_ids': torch.randint(3, CONFIG.vocab_size, (DRAWS, LENGTH), generator=gen),
        }
        inputs['input_ids'][:, 0] = CONFIG.decoder_start_token_id
        margins = torch.minimum(least_margins(model, inputs), 10 * least_margins(tight, inputs))
        best = margins.argmax().item()
        if margins[best] >= LEAST_MARGIN:
            return {name: each[best : best + 1] for name, each in inputs.items()}, margins[best].item()


def with_config(**changes):
    def run(state, inputs):
        changed = copy.deepcopy(CONFIG)
        for name, value in changes.items():
            setattr(changed, name, value)
        return logits_of(build(changed, state), inputs)

    return run


if __name__ == '__main__':
    path = folder(TOPIC, CASE)
    shutil.rmtree(path)
    model = build(CONFIG)
    randomise(model, SEED)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(('.q.weight', '.k.weight')):
                parameter.mul_(CONFIG.d_kv**-0.25)
    model.save_pretrained(path, safe_serialization=True)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gen = generator(SEED + 1)
    tight = build(SwitchTransformersConfig(**{**CONFIG.to_dict(), 'expert_capacity': TIGHT}), state)
    inputs, margin = draw_rows(model, tight, gen)
    expected = record_outputs(model, inputs)
    save_tensors(path / 'expected.safetensors', expected)
    logits = expected['logits']
    reloaded = SwitchTransformersForConditionalGeneration.from_pretrained(path, attn_implementation='eager').eval()
    assert relative_error(logits_of(reloaded, inputs), logits) < 1e-6
    dropped = logits_of(tight, inputs)
    full = {**inputs, 'source_mask': torch.ones_like(inputs['source_mask'])}
    with torch.no_grad():
        losses = model(
            input_ids=full['source_ids'], decoder_input_ids=full['input_ids'], output_router_logits=True, use_cache=False
        )
    names = [f'{stack}_{kind}_loss' for stack in ('encoder', 'decoder') for kind in ('aux', 'z')]
    save_tensors(path / 'tight.safetensors', {'logits': dropped, **{name: losses[name][None] for name in names}})
    sensitivity = {
        'epsilon': relative_error(with_config(layer_norm_epsilon=1e-6)(state, inputs), logits),
        'maxDistance': relative_error(with_config(relative_attention_max_distance=8)(state, inputs), logits),
        'capacity': relative_error(dropped, logits),
    }
    for name, change in sensitivity.items():
        assert change > LEAST_SENSITIVITY, f'{name} changes the logits by {change} only'
    disturb_last_bit(model, SEED + 2)
    meta = {
        'seed': SEED,
        'leastMargin': margin,
        'tightCapacity': TIGHT,
        'largestLogit': logits.abs().max().item(),
        'rounding': relative_error(logits_of(model, inputs), logits),
        'sensitivity': sensitivity,
    }
    save_meta(TOPIC, __file__, {CASE: meta})
