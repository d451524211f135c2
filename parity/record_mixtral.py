"""Records a tiny random Mixtral as record_families.py does the other decoders.

Which experts a token has may not hang on rounding, nor on the small steps of finite differences: tokens are drawn until the last
expert that each has, and the first that it has not, are well apart.
"""

import copy
import shutil

import torch
from transformers import MixtralConfig, MixtralForCausalLM
from transformers.models.mixtral.modeling_mixtral import MixtralTopKRouter

from record_families import NO_SPECIAL_TOKENS, default_rope, logits_of, record_outputs
from recording import FIXTURES, disturb_last_bit, folder, generator, randomise, relative_error, save_meta, save_tensors

TOPIC, CASE, SEED = 'mixtral', 'mixtral', 700
LEAST_SENSITIVITY, LEAST_MARGIN = 1e-3, 0.15
CONFIG = MixtralConfig(
    vocab_size=96,
    hidden_size=64,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    rms_norm_eps=1e-3,
    num_local_experts=4,
    num_experts_per_tok=2,
    **NO_SPECIAL_TOKENS,
    **default_rope(500.0),
)


def build(config, state=None):
    model = MixtralForCausalLM._from_config(copy.deepcopy(config), attn_implementation='eager', dtype=torch.float32)
    model.set_experts_implementation('eager')
    if state is not None:
        model.load_state_dict(state)
    return model.eval()


def least_margin(model, ids) -> float:
    """The least gap between the logits of the last expert that a token has and the first that it has not."""
    margins = []

    def keep(_, __, output):
        best = output[0].topk(CONFIG.num_experts_per_tok + 1).values
        margins.append((best[:, -2] - best[:, -1]).min().item())

    hooks = [module.register_forward_hook(keep) for module in model.modules() if isinstance(module, MixtralTopKRouter)]
    logits_of(model, ids)
    for hook in hooks:
        hook.remove()
    return min(margins)


def with_config(**changes):
    def run(state, ids):
        changed = copy.deepcopy(CONFIG)
        for name, value in changes.items():
            setattr(changed, name, value)
        return logits_of(build(changed, state), ids)

    return run


def unscaled_shares(state, ids):
    """The probabilities as they are, that do not sum to 1."""
    plain = MixtralTopKRouter.forward

    def forward(self, hidden):
        logits, scores, chosen = plain(self, hidden)
        return logits, torch.softmax(logits, -1).gather(-1, chosen), chosen

    MixtralTopKRouter.forward = forward
    try:
        return logits_of(build(CONFIG, state), ids)
    finally:
        MixtralTopKRouter.forward = plain


DISTURBANCES = {
    'epsilon': with_config(rms_norm_eps=1e-6),
    'activeExperts': with_config(num_experts_per_tok=1),
    'shares': unscaled_shares,
    'mask': lambda state, ids: unmasked(state, ids),
}


def unmasked(state, ids):
    return logits_of(build(CONFIG, state), ids, attention_mask=torch.zeros(len(ids), 1, ids.shape[1], ids.shape[1]))


if __name__ == '__main__':
    path = folder(TOPIC, CASE)
    shutil.rmtree(path)
    model = build(CONFIG)
    randomise(model, SEED)
    model.save_pretrained(path, safe_serialization=True)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gen = generator(SEED + 1)
    ids, margin = None, 0.0
    while margin < LEAST_MARGIN:
        ids = torch.randint(CONFIG.vocab_size, (2, 12), generator=gen)
        margin = least_margin(model, ids)
    expected = record_outputs(model, ids)
    save_tensors(path / 'expected.safetensors', expected)
    logits = expected['logits']
    assert relative_error(logits_of(MixtralForCausalLM.from_pretrained(path, attn_implementation='eager'), ids), logits) < 1e-5
    sensitivity = {name: relative_error(wrong(state, ids), logits) for name, wrong in DISTURBANCES.items()}
    for name, change in sensitivity.items():
        assert change > LEAST_SENSITIVITY, f'{name} changes the logits by {change} only'
    disturb_last_bit(model, SEED + 2)
    meta = {
        'seed': SEED,
        'leastMargin': margin,
        'largestLogit': logits.abs().max().item(),
        'rounding': relative_error(logits_of(model, ids), logits),
        'sensitivity': sensitivity,
    }
    save_meta(TOPIC, __file__, {CASE: meta})
