"""Records tiny random encoders, with a head for masked tokens and one for sequences, and the classifiers of two decoders.

One folder a family: config.json, the weights of both heads in one file, and what transformers computes for padded rows of
pairs of texts. Positions of padding are recorded as zeros: nobody reads what is computed there.
As in record_families.py, `sensitivity` says how far the logits move when one thing is done wrongly.
"""

import copy
import shutil

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from recording import FIXTURES, disturb_last_bit, folder, generator, normal, randomise, relative_error, save_meta, save_tensors

TOPIC = 'encoders'
LABELS = 3
LENGTHS = (16, 11, 6)
LEAST_SENSITIVITY = 1e-3
# Differing from every library's default, so that a default left in place shows.
SHAPE = {
    'vocab_size': 96,
    'hidden_size': 64,
    'num_hidden_layers': 2,
    'num_attention_heads': 4,
    'intermediate_size': 80,
    'max_position_embeddings': 40,
    'type_vocab_size': 2,
    'layer_norm_eps': 1e-3,
    'num_labels': LABELS,
}
CONFIGS = {
    'bert': BertConfig(**SHAPE),
    'roberta': RobertaConfig(**SHAPE, hidden_act='relu', pad_token_id=1, bos_token_id=0, eos_token_id=2),
    'distilbert': DistilBertConfig(
        vocab_size=96, dim=64, n_layers=2, n_heads=4, hidden_dim=80, max_position_embeddings=40, num_labels=LABELS
    ),
    'electra': ElectraConfig(**SHAPE, embedding_size=48, hidden_act='gelu_new'),
}
BLOCKS = {'distilbert': 'distilbert.transformer.layer', 'llama': 'model.layers', 'gpt2': 'transformer.h'}


def build(auto, config, state=None):
    model = auto.from_config(copy.deepcopy(config), attn_implementation='eager', dtype=torch.float32)
    if state is not None:
        missing, _ = model.load_state_dict(state, strict=False)
        assert not missing, missing
    return model.eval()


def inputs_of(family: str, gen) -> dict[str, torch.Tensor]:
    """Rows of three lengths; the second half of each is the second text of a pair."""
    config = CONFIGS[family]
    longest = max(LENGTHS)
    ids = torch.randint(3, config.vocab_size, (len(LENGTHS), longest), generator=gen)
    mask = torch.zeros_like(ids)
    types = torch.zeros_like(ids)
    for row, length in enumerate(LENGTHS):
        mask[row, :length] = 1
        types[row, length // 2 : length] = 1
    ids = torch.where(mask == 1, ids, torch.full_like(ids, config.pad_token_id))
    inputs = {'input_ids': ids, 'attention_mask': mask}
    return inputs if family == 'distilbert' else {**inputs, 'token_type_ids': types}


def masked(tensor: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return tensor * mask[..., None] if tensor.dim() == 3 else tensor


@torch.no_grad()
def logits_of(model, inputs) -> torch.Tensor:
    return masked(model(**inputs).logits, inputs['attention_mask'])


@torch.no_grad()
def record_outputs(blocks: str, model, inputs) -> dict[str, torch.Tensor]:
    """Logits, what enters the first block, and the output of each block and of each norm outside them, by module path."""
    modules = dict(model.named_modules())
    mask = inputs['attention_mask']
    outputs = dict(inputs)

    def keep(name, tensor):
        outputs[name] = masked(tensor[0] if isinstance(tensor, tuple) else tensor, mask).clone()

    hooks = [
        modules[f'{blocks}.0'].register_forward_pre_hook(lambda _, args: keep('hidden.embedding', args[0])),
        *(
            modules[f'{blocks}.{depth}'].register_forward_hook(
                lambda _, __, output, depth=depth: keep(f'hidden.{blocks}.{depth}', output)
            )
            for depth in range(2)
        ),
        *(
            module.register_forward_hook(lambda _, __, output, path=path: keep(f'hidden.{path}', output))
            for path, module in modules.items()
            if 'Norm' in type(module).__name__ and not path.startswith(blocks)
        ),
    ]
    outputs['logits'] = logits_of(model, inputs)
    for hook in hooks:
        hook.remove()
    return outputs


# Ways to be wrong. Each yields the logits of a model that does one thing otherwise.


def without_mask(auto, config, state, inputs):
    wrong = {**inputs, 'attention_mask': torch.ones_like(inputs['attention_mask'])}
    return masked(build(auto, config, state)(**wrong).logits, inputs['attention_mask'])


def causal(auto, config, state, inputs):
    length = inputs['input_ids'].shape[1]
    seen = torch.tril(torch.ones(length, length))[None, None] * inputs['attention_mask'][:, None, None]
    additive = torch.where(seen == 1, 0.0, torch.finfo(torch.float32).min)
    return masked(
        build(auto, config, state)(**{**inputs, 'attention_mask': additive}).logits, inputs['attention_mask']
    )


def shifted_positions(auto, config, state, inputs):
    offset = config.pad_token_id + 1 if config.model_type == 'roberta' else 0
    positions = torch.arange(1, inputs['input_ids'].shape[1] + 1)[None] + offset
    return logits_of(build(auto, config, state), {**inputs, 'position_ids': positions})


def without_types(auto, config, state, inputs):
    return logits_of(
        build(auto, config, state), {**inputs, 'token_type_ids': torch.zeros_like(inputs['token_type_ids'])}
    )


def with_epsilon(auto, config, state, inputs):
    model = build(auto, config, state)
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 0.1 if config.model_type == 'distilbert' else 1e-6
    return logits_of(model, inputs)


def with_activation(auto, config, state, inputs):
    changed = copy.deepcopy(config)
    setattr(changed, 'activation' if config.model_type == 'distilbert' else 'hidden_act', 'silu')
    return logits_of(build(auto, changed, state), inputs)


def without_biases(auto, config, state, inputs):
    zeroed = {
        name: torch.zeros_like(tensor) if name.endswith('.bias') and 'orm' not in name else tensor
        for name, tensor in state.items()
    }
    return logits_of(build(auto, config, zeroed), inputs)


DISTURBANCES = {
    'mask': without_mask,
    'causal': causal,
    'positions': shifted_positions,
    'tokenTypes': without_types,
    'epsilon': with_epsilon,
    'activation': with_activation,
    'biases': without_biases,
}


def record(family: str, seed: int) -> dict:
    config = CONFIGS[family]
    path = folder(TOPIC, family)
    shutil.rmtree(path)
    language = build(AutoModelForMaskedLM, config)
    randomise(language, seed)
    language.save_pretrained(path, safe_serialization=True)
    classifier = build(AutoModelForSequenceClassification, config)
    randomise(classifier, seed + 1)
    classifier.load_state_dict(language.state_dict(), strict=False)
    # One file holds both heads; tied weights once, as transformers saves them.
    saved = load_file(path / 'model.safetensors')
    heads = {name: tensor for name, tensor in classifier.state_dict().items() if name not in language.state_dict()}
    save_file({**saved, **{n: t.contiguous().clone() for n, t in heads.items()}}, path / 'model.safetensors', {'format': 'pt'})

    inputs = inputs_of(family, generator(seed + 2))
    cases = {}
    for name, auto, model in (
        ('masked-lm', AutoModelForMaskedLM, language),
        ('sequence-classification', AutoModelForSequenceClassification, classifier),
    ):
        expected = record_outputs(BLOCKS.get(family, f'{family}.encoder.layer'), model, inputs)
        save_tensors(path / f'{name}.safetensors', expected)
        logits = expected['logits']
        reloaded = auto.from_pretrained(path, attn_implementation='eager').eval()
        assert torch.equal(logits, logits_of(reloaded, inputs))
        if family == 'roberta':
            # XLM-RoBERTa is the same function of weights of the same names.
            alike = build(auto, XLMRobertaConfig(**{**config.to_dict(), 'model_type': 'xlm-roberta'}), model.state_dict())
            assert torch.equal(logits, logits_of(alike, inputs))
        state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        with torch.no_grad():
            sensitivity = {
                key: relative_error(disturbed(auto, config, state, inputs), logits)
                for key, disturbed in DISTURBANCES.items()
                if key != 'tokenTypes' or 'token_type_ids' in inputs
            }
        for key, change in sensitivity.items():
            assert change > LEAST_SENSITIVITY, f'{family}, {name}: {key} changes the logits by {change} only'
        disturb_last_bit(model, seed + 3)
        cases[name] = {
            'largestLogit': logits.abs().max().item(),
            'rounding': relative_error(logits_of(model, inputs), logits),
            'sensitivity': sensitivity,
        }
    return {'seed': seed, **cases}


def record_decoder(family: str, seed: int) -> dict:
    """The classifier of a decoder recorded by record_families.py: a weight of its own, and scores of padded rows."""
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / 'families' / family)
    config = copy.deepcopy(base.config)
    config.pad_token_id = 0
    config.num_labels = LABELS
    model = build(AutoModelForSequenceClassification, config)
    model.load_state_dict(base.state_dict(), strict=False)
    with torch.no_grad():
        model.score.weight.copy_(normal(generator(seed), *model.score.weight.shape, std=0.2))
    gen = generator(seed + 1)
    mask = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=torch.long)
    for row, length in enumerate(LENGTHS):
        mask[row, :length] = 1
    ids = torch.randint(1, config.vocab_size, mask.shape, generator=gen) * mask
    expected = record_outputs(BLOCKS[family], model, {'input_ids': ids, 'attention_mask': mask})
    logits = expected['logits']
    path = folder(TOPIC, family) / 'sequence-classification.safetensors'
    save_tensors(path, {**expected, 'score.weight': model.score.weight})
    full = logits_of(model, {'input_ids': ids, 'attention_mask': torch.ones_like(mask)})
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    # transformers finds the last token by the padding token, not by the mask: another padding token, another place.
    elsewhere = copy.deepcopy(config)
    elsewhere.pad_token_id = 95
    last = logits_of(build(AutoModelForSequenceClassification, elsewhere, state), {'input_ids': ids, 'attention_mask': mask})
    disturb_last_bit(model, seed + 2)
    return {
        'seed': seed,
        'largestLogit': logits.abs().max().item(),
        'rounding': relative_error(logits_of(model, {'input_ids': ids, 'attention_mask': mask}), logits),
        'sensitivity': {'lastToken': relative_error(last, logits)},
        'withoutMask': relative_error(full, logits),
    }


if __name__ == '__main__':
    encoders = {family: record(family, 100 * (i + 1)) for i, family in enumerate(CONFIGS)}
    decoders = {family: record_decoder(family, 1000 + 100 * i) for i, family in enumerate(('llama', 'gpt2'))}
    save_meta(TOPIC, __file__, {**encoders, **decoders})
