"""Records tiny random T5s, 1.0 and 1.1: Hugging Face folder, logits, stacks' states, greedy tokens; and the buckets.

As in record_families.py each case lists how far the logits move when one thing is done wrongly (`sensitivity`) and when
every weight is moved by one float32 rounding (`rounding`).
"""

import copy
import json
import shutil
from unittest.mock import patch

import torch
from transformers import AutoModelForSeq2SeqLM, T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from recording import disturb_last_bit, folder, generator, randomise, relative_error, save_json, save_meta, save_tensors

TOPIC = 't5'
LEAST_SENSITIVITY = 1e-3
# Longer than the largest distance, so that keys share the last bucket; the second row of the source is padded.
SOURCE_LENGTHS = (31, 22)
LENGTH = 27
SHAPE = {
    'vocab_size': 96,
    'd_model': 64,
    'd_kv': 20,
    'num_heads': 3,
    'd_ff': 72,
    'num_layers': 2,
    'num_decoder_layers': 2,
    'relative_attention_num_buckets': 12,
    'relative_attention_max_distance': 19,
    'layer_norm_epsilon': 1e-2,
    'pad_token_id': 0,
    'eos_token_id': None,
    'decoder_start_token_id': 2,
}
# Flan's seed: where the loss is so curved that finite differences are 2 % off, they tell nothing.
SEEDS = {'t5': 100, 'flan-t5': 400}
CASES = {
    't5': T5Config(**SHAPE, feed_forward_proj='relu'),
    'flan-t5': T5Config(**SHAPE, feed_forward_proj='gated-gelu', tie_word_embeddings=False),
}
BUCKETS = {'t5': (32, 128), 'few': (12, 19), 'far': (64, 1000)}


def build(config, state=None):
    model = T5ForConditionalGeneration._from_config(
        copy.deepcopy(config), attn_implementation='eager', dtype=torch.float32
    )
    if not config.scale_decoder_outputs:
        # transformers ties the head unless a checkpoint holds another one.
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
    if state is not None:
        model.load_state_dict(state)
    return model.eval()


@torch.no_grad()
def logits_of(model, inputs: dict) -> torch.Tensor:
    return model(
        input_ids=inputs['source_ids'],
        attention_mask=inputs['source_mask'],
        decoder_input_ids=inputs['input_ids'],
        use_cache=False,
    ).logits


@torch.no_grad()
def record_outputs(model, inputs: dict) -> dict:
    modules = dict(model.named_modules())
    outputs = dict(inputs)
    filled = inputs['source_mask'][:, :, None]
    hooks = [
        modules['encoder.block.0'].register_forward_pre_hook(
            lambda _, args: outputs.__setitem__('hidden.embedding', args[0] * filled)
        )
    ]
    for stack in ('encoder', 'decoder'):
        for path in (f'{stack}.block.0', f'{stack}.block.1', f'{stack}.final_layer_norm'):

            def keep(_, __, output, path=path, stack=stack):
                states = output[0] if isinstance(output, tuple) else output
                outputs[f'hidden.{path}'] = states * filled if stack == 'encoder' else states.clone()

            hooks.append(modules[path].register_forward_hook(keep))
    outputs['logits'] = logits_of(model, inputs)
    for hook in hooks:
        hook.remove()
    return outputs


def with_config(**changes):
    def run(config, state, inputs):
        changed = copy.deepcopy(config)
        for name, value in changes.items():
            setattr(changed, name, value)
        return logits_of(build(changed, state), inputs)

    return run


def without_source_mask(config, state, inputs):
    return logits_of(build(config, state), {**inputs, 'source_mask': torch.ones_like(inputs['source_mask'])})


def with_scaled_attention(config, state, inputs):
    model = build(config, state)
    for module in model.modules():
        if isinstance(module, T5Attention):
            module.scaling = config.d_kv**-0.5
    return logits_of(model, inputs)


def one_way_encoder(config, state, inputs):
    plain = T5Attention._relative_position_bucket

    def one_way(relative_position, bidirectional=True, num_buckets=32, max_distance=128):
        return plain(relative_position, False, num_buckets, max_distance)

    with patch.object(T5Attention, '_relative_position_bucket', staticmethod(one_way)):
        return logits_of(build(config, state), inputs)


def without_tables(config, state, inputs):
    changed = {n: torch.zeros_like(w) if 'relative_attention_bias' in n else w for n, w in state.items()}
    return logits_of(build(config, changed), inputs)


DISTURBANCES = {
    'epsilon': with_config(layer_norm_epsilon=1e-6),
    'maxDistance': with_config(relative_attention_max_distance=18),
    'relativePositions': without_tables,
    'oneWayEncoder': one_way_encoder,
    'sourceMask': without_source_mask,
    'attentionScale': with_scaled_attention,
}


def greedy(model, prompt: list[int], count: int) -> dict:
    """transformers.generate without sampling, and the least gap between the two best logits over the steps."""
    ids = torch.tensor([prompt])
    mask = torch.ones_like(ids)
    answer = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=count)[0]
    inputs = {'source_ids': ids, 'source_mask': mask, 'input_ids': answer[None]}
    best = logits_of(model, inputs)[0, :-1].topk(2).values
    return {
        'prompt': prompt,
        'tokens': answer[1:].tolist(),
        'leastMargin': (best[:, 0] - best[:, 1]).min().item(),
    }


def record_generation(path, model, gen) -> None:
    """A prompt of each length. One that rounding could decide, or whose answer repeats itself, is drawn anew."""
    cases = []
    for length in (7, 3, 25):
        case = None
        while case is None or case['leastMargin'] < 1e-2 or len(set(case['tokens'])) < 6:
            case = greedy(model, torch.randint(3, model.config.vocab_size, (length,), generator=gen).tolist(), 12)
        cases.append(case)
    save_json(path / 'generation.json', cases)


def record(case: str, seed: int) -> dict:
    config = CASES[case]
    path = folder(TOPIC, case)
    shutil.rmtree(path)
    model = build(config)
    randomise(model, seed)
    with torch.no_grad():
        # Nothing scales the products of queries and keys, which start that much smaller in T5.
        for name, parameter in model.named_parameters():
            if name.endswith(('.q.weight', '.k.weight')):
                parameter.mul_(config.d_kv**-0.25)
    model.save_pretrained(path, safe_serialization=True)
    if case == 'flan-t5':
        # As Google's checkpoints say it; what transformers 5 writes is kept beside it.
        written = json.loads((path / 'config.json').read_text())
        save_json(path / 'config.v5.json', written)
        older = {key: value for key, value in written.items() if key != 'scale_decoder_outputs'}
        save_json(path / 'config.json', {**older, 'tie_word_embeddings': False, 'n_positions': 512})
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gen = generator(seed + 1)
    mask = torch.tensor([[int(index < length) for index in range(max(SOURCE_LENGTHS))] for length in SOURCE_LENGTHS])
    rows = len(SOURCE_LENGTHS)
    inputs = {
        'source_ids': torch.randint(3, config.vocab_size, mask.shape, generator=gen) * mask,
        'source_mask': mask,
        'input_ids': torch.randint(3, config.vocab_size, (rows, LENGTH), generator=gen),
    }
    inputs['input_ids'][:, 0] = config.decoder_start_token_id
    expected = record_outputs(model, inputs)
    save_tensors(path / 'expected.safetensors', expected)
    logits = expected['logits']
    reloaded = AutoModelForSeq2SeqLM.from_pretrained(path, attn_implementation='eager')
    assert torch.equal(logits, logits_of(reloaded.eval(), inputs))
    record_generation(path, reloaded, gen)
    sensitivity = {
        name: relative_error(disturbed(config, state, inputs), logits) for name, disturbed in DISTURBANCES.items()
    }
    for name, change in sensitivity.items():
        assert change > LEAST_SENSITIVITY, f'{case}: {name} changes the logits by {change} only'
    disturb_last_bit(model, seed + 2)
    return {
        'seed': seed,
        'largestLogit': logits.abs().max().item(),
        'rounding': relative_error(logits_of(model, inputs), logits),
        'sensitivity': sensitivity,
    }


def record_buckets() -> None:
    """The table's row for every distance from -1100 to 1100."""
    distances = torch.arange(-1100, 1101)

    def rows(buckets: int, reach: int, both_ways: bool) -> list[int]:
        return T5Attention._relative_position_bucket(distances, both_ways, buckets, reach).tolist()

    cases = [
        {'buckets': buckets, 'maxDistance': reach, 'bothWays': both_ways, 'rows': rows(buckets, reach, both_ways)}
        for buckets, reach in BUCKETS.values()
        for both_ways in (True, False)
    ]
    (folder(TOPIC) / 'buckets.json').write_text(json.dumps({'first': -1100, 'cases': cases}) + '\n')


if __name__ == '__main__':
    record_buckets()
    save_meta(TOPIC, __file__, {case: record(case, SEEDS[case]) for case in CASES})
