"""Records tiny random models of every supported family: Hugging Face folder, logits, layers' outputs, greedy tokens.

Each case also lists how far the logits move when one thing is done wrongly (`sensitivity`), so that a test that passes
says something, and how far they move when every weight is moved by one float32 rounding (`rounding`).
"""

import copy
import importlib
import json
import shutil
from unittest.mock import patch

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from recording import disturb_last_bit, folder, generator, randomise, relative_error, save_json, save_meta, save_tensors

TOPIC = 'families'
LEAST_SENSITIVITY = 1e-3
# gelu and its tanh approximation differ by less than 5e-4 anywhere; a tolerance of 1e-4 still tells them apart.
NEARLY_EQUAL = {'activationExactGelu'}
NO_SPECIAL_TOKENS = {'bos_token_id': None, 'eos_token_id': None, 'pad_token_id': None}
# rope_theta and epsilon differ from every library's default, so that a default left in place shows.
SHAPE = {
    'vocab_size': 96,
    'hidden_size': 64,
    'intermediate_size': 112,
    'num_hidden_layers': 2,
    'num_attention_heads': 4,
    'num_key_value_heads': 2,
    'max_position_embeddings': 64,
    'rms_norm_eps': 1e-3,
    **NO_SPECIAL_TOKENS,
}


def default_rope(theta: float) -> dict:
    return {'rope_parameters': {'rope_type': 'default', 'rope_theta': theta}}


# Wavelengths 6.3, 17.8 and 50 and longer: one pair unscaled (below 32/4), one between, six scaled (beyond 32/1).
LLAMA3_ROPE = {
    'rope_type': 'llama3',
    'rope_theta': 4000.0,
    'factor': 8.0,
    'low_freq_factor': 1.0,
    'high_freq_factor': 4.0,
    'original_max_position_embeddings': 32,
}

CASES = {
    'llama': (LlamaConfig(**SHAPE, **default_rope(500.0)), 16),
    'llama3-rope': (LlamaConfig(**{**SHAPE, 'max_position_embeddings': 256}, rope_parameters=LLAMA3_ROPE), 72),
    'llama-tied': (LlamaConfig(**{**SHAPE, 'vocab_size': 101}, tie_word_embeddings=True, **default_rope(500.0)), 16),
    'mistral': (MistralConfig(**SHAPE, sliding_window=None, **default_rope(700.0)), 16),
    'mistral-sliding': (MistralConfig(**SHAPE, sliding_window=7, **default_rope(700.0)), 24),
    'qwen2': (Qwen2Config(**SHAPE, **default_rope(900.0)), 16),
    'qwen3': (Qwen3Config(**SHAPE, head_dim=24, **default_rope(1100.0)), 16),
    'gpt2': (
        GPT2Config(
            vocab_size=96, n_positions=64, n_embd=64, n_layer=2, n_head=4, layer_norm_epsilon=1e-3, **NO_SPECIAL_TOKENS
        ),
        16,
    ),
}


def build(config, state=None):
    """A float32 model with eager attention, its weights taken from `state`."""
    model = AutoModelForCausalLM.from_config(copy.deepcopy(config), attn_implementation='eager', dtype=torch.float32)
    if state is not None:
        model.load_state_dict(state)
    return model.eval()


@torch.no_grad()
def logits_of(model, ids: torch.Tensor, **inputs) -> torch.Tensor:
    return model(input_ids=ids, use_cache=False, **inputs).logits


@torch.no_grad()
def record_outputs(model, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Logits and the output of the embedding, each block and the final norm, keyed by module path."""
    modules = dict(model.named_modules())
    if model.config.model_type == 'gpt2':
        first = 'transformer.h.0'
        watched = ['transformer.h.0', 'transformer.h.1', 'transformer.ln_f']
    else:
        first = 'model.layers.0'
        watched = ['model.layers.0', 'model.layers.1', 'model.norm']
    outputs = {'input_ids': ids}
    hooks = [
        modules[first].register_forward_pre_hook(
            lambda _, args: outputs.__setitem__('hidden.embedding', args[0].clone()),
        )
    ]
    for path in watched:

        def keep(_, __, output, path=path):
            outputs[f'hidden.{path}'] = (output[0] if isinstance(output, tuple) else output).clone()

        hooks.append(modules[path].register_forward_hook(keep))
    outputs['logits'] = logits_of(model, ids)
    for hook in hooks:
        hook.remove()
    return outputs


# Ways to be wrong. Each yields the logits of a model that does one thing otherwise.


def with_config(**changes):
    def run(config, state, ids):
        changed = copy.deepcopy(config)
        for name, value in changes.items():
            setattr(changed, name, value)
        return logits_of(build(changed, state), ids)

    return run


def with_rope(**changes):
    def run(config, state, ids):
        return with_config(rope_parameters={**config.rope_parameters, **changes})(config, state, ids)

    return run


def without_mask(config, state, ids):
    return logits_of(build(config, state), ids, attention_mask=torch.zeros(len(ids), 1, ids.shape[1], ids.shape[1]))


def with_weights(select, change):
    def run(config, state, ids):
        chosen = {name for name in state if select(name)}
        assert chosen
        return logits_of(build(config, {n: change(w) if n in chosen else w for n, w in state.items()}), ids)

    return run


def with_functions(**functions):
    """Replaces functions of the family's modelling file."""

    def run(config, state, ids):
        module = importlib.import_module(f'transformers.models.{config.model_type}.modeling_{config.model_type}')
        with patch.multiple(module, **functions):
            return logits_of(build(config, state), ids)

    return run


def interleaved_rotary(q, k, cos, sin, unsqueeze_dim=1):
    """GPT-J's pairing (0, 1), (2, 3), … in place of Llama's (0, d/2), (1, d/2 + 1), …"""
    half = cos.shape[-1] // 2
    cos, sin = (x[..., :half].repeat_interleave(2, -1).unsqueeze(unsqueeze_dim) for x in (cos, sin))

    def turn(x):
        return x * cos + torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2) * sin

    return turn(q), turn(k)


def without_qk_norm(config, state, ids):
    model = build(config, state)
    for layer in model.model.layers:
        layer.self_attn.q_norm = layer.self_attn.k_norm = torch.nn.Identity()
    return logits_of(model, ids)


def shifted_positions(config, state, ids):
    return logits_of(build(config, state), ids, position_ids=torch.arange(1, ids.shape[1] + 1)[None])


def untied_head(config, state, ids):
    model = build(config, state)
    gen = generator(1)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight[torch.randperm(config.vocab_size, generator=gen)])
    return logits_of(model, ids)


LLAMA_LIKE = {
    'ropeTheta': with_rope(rope_theta=10000.0),
    'ropePairing': with_functions(apply_rotary_pos_emb=interleaved_rotary),
    'epsilon': with_config(rms_norm_eps=1e-6),
    'mask': without_mask,
    'keyValueHeads': with_functions(repeat_kv=lambda x, n: x.repeat(1, n, 1, 1)),
    'activation': with_config(hidden_act='gelu'),
}
DISTURBANCES = {
    'llama': LLAMA_LIKE,
    'llama3-rope': {
        **LLAMA_LIKE,
        'ropeScaling': with_rope(rope_type='default'),
        'ropeFactor': with_rope(factor=4.0),
        'ropeLowFrequencyFactor': with_rope(low_freq_factor=2.0),
        'ropeHighFrequencyFactor': with_rope(high_freq_factor=8.0),
        'ropeOriginalLength': with_rope(original_max_position_embeddings=64),
    },
    'llama-tied': {**LLAMA_LIKE, 'tiedHead': untied_head},
    'mistral': {**LLAMA_LIKE, 'slidingWindow': with_config(sliding_window=7)},
    'mistral-sliding': {
        **LLAMA_LIKE,
        'slidingWindow': with_config(sliding_window=None),
        'slidingWindowOneMore': with_config(sliding_window=8),
        'slidingWindowOneLess': with_config(sliding_window=6),
    },
    'qwen2': {**LLAMA_LIKE, 'queryKeyValueBias': with_weights(lambda n: n.endswith('_proj.bias'), torch.zeros_like)},
    'qwen3': {
        **LLAMA_LIKE,
        'queryKeyNorm': without_qk_norm,
        'queryNormWeight': with_weights(lambda n: n.endswith('q_norm.weight'), torch.ones_like),
        'keyNormWeight': with_weights(lambda n: n.endswith('k_norm.weight'), torch.ones_like),
    },
    'gpt2': {
        'positions': shifted_positions,
        'epsilon': with_config(layer_norm_epsilon=1e-6),
        'mask': without_mask,
        'attentionScale': with_config(scale_attn_weights=False),
        'activation': with_config(activation_function='relu'),
        'activationExactGelu': with_config(activation_function='gelu'),
        'biases': with_weights(lambda n: n.endswith('.bias') and 'ln_' not in n, torch.zeros_like),
    },
}


def greedy(model, prompt: list[int], count: int) -> dict:
    """transformers.generate without sampling, and the least gap between the two best logits over the steps."""
    ids = torch.tensor([prompt])
    answer = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=count)[0]
    best = logits_of(model, answer[None])[0, len(prompt) - 1 : -1].topk(2).values
    margin = (best[:, 0] - best[:, 1]).min().item()
    return {'prompt': prompt, 'tokens': answer[len(prompt) :].tolist(), 'leastMargin': margin}


def record_generation(path, model, gen) -> None:
    """A prompt of each length. One that rounding could decide, or whose answer repeats itself, is drawn anew."""
    cases = []
    for length in (7, 3, 11):
        case = None
        while case is None or case['leastMargin'] < 1e-2 or len(set(case['tokens'])) < 6:
            case = greedy(model, torch.randint(model.config.vocab_size, (length,), generator=gen).tolist(), 12)
        cases.append(case)
    save_json(path / 'generation.json', cases)


def record_packed(path, model, gen) -> None:
    """Three examples packed into a row: the logits are those of each example alone."""
    lengths = [5, 9, 2]
    examples = [torch.randint(model.config.vocab_size, (1, n), generator=gen) for n in lengths]
    save_tensors(
        path / 'packed.safetensors',
        {
            'input_ids': torch.cat(examples, 1),
            'position_ids': torch.cat([torch.arange(n) for n in lengths])[None],
            'segments': torch.cat([torch.full((n,), i + 1) for i, n in enumerate(lengths)])[None],
            'logits': torch.cat([logits_of(model, example) for example in examples], 1),
        },
    )


def write_older_config(path, expected) -> None:
    """The same config with `rope_theta` and `rope_scaling` on top, as transformers before 5 wrote it."""
    config = json.loads((path / 'config.json').read_text())
    rope = config.pop('rope_parameters')
    config['rope_theta'] = rope.pop('rope_theta')
    config['rope_scaling'] = None if rope['rope_type'] == 'default' else rope
    config['torch_dtype'] = config.pop('dtype')
    save_json(path / 'config.before-v5.json', config)
    model = AutoModelForCausalLM.from_pretrained(
        path, config=AutoConfig.for_model(**config), attn_implementation='eager'
    )
    assert torch.equal(logits_of(model, expected['input_ids'].long()), expected['logits'])


def record(case: str, seed: int) -> dict:
    config, length = CASES[case]
    path = folder(TOPIC, case)
    shutil.rmtree(path)
    model = build(config)
    randomise(model, seed)
    model.save_pretrained(path, safe_serialization=True)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    gen = generator(seed + 1)
    ids = torch.randint(config.vocab_size, (2, length), generator=gen)
    expected = record_outputs(model, ids)
    save_tensors(path / 'expected.safetensors', expected)
    logits = expected['logits']
    assert torch.equal(logits, logits_of(AutoModelForCausalLM.from_pretrained(path, attn_implementation='eager'), ids))

    if case in ('llama', 'llama3-rope'):
        write_older_config(path, expected)
    if case in ('llama', 'gpt2'):
        record_packed(path, model, gen)
        record_generation(path, model, gen)

    sensitivity = {
        name: relative_error(disturbed(config, state, ids), logits) for name, disturbed in DISTURBANCES[case].items()
    }
    for name, change in sensitivity.items():
        least = 1e-4 if name in NEARLY_EQUAL else LEAST_SENSITIVITY
        assert change > least, f'{case}: {name} changes the logits by {change} only'
    disturb_last_bit(model, seed + 2)
    return {
        'seed': seed,
        'inputShape': list(ids.shape),
        'largestLogit': logits.abs().max().item(),
        'rounding': relative_error(logits_of(model, ids), logits),
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    save_meta(TOPIC, __file__, {case: record(case, 100 * (i + 1)) for i, case in enumerate(CASES)})
