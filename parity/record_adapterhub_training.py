"""Records twenty steps of AdapterHub's bottleneck adapters under torch.optim.AdamW.

AdapterHub's `adapters` needs an older transformers than the other recorders, and so an environment of its own:
requirements-adapters.txt. Decoders predict tokens with record_lora_training.py's batches; BERT classifies sequences, and its
classifier trains too. In meta.json, `rounding` and `sensitivity` are as there.
"""

import json
from dataclasses import dataclass, field, replace

import adapters
import torch
from transformers import BertConfig, BertForSequenceClassification, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from recording import (
    FIXTURES,
    change_by,
    disturb_last_bit,
    folder,
    generator,
    normal,
    randomise,
    rounding_of,
    save_meta,
    save_tensors,
)

TOPIC = 'adapterhub-training'
VOCABULARY = 96
CLASSES = 3
STEPS = 20
# A larger epsilon: some gradients of the rules are near 1e-8, where Adam's first steps would amplify rounding.
ADAMW = {'lr': 5e-3, 'betas': (0.9, 0.999), 'eps': 1e-6, 'weight_decay': 0.01}
LARGEST_ROUNDING = {'losses': 1.5e-6, 'weights': 2e-5, 'probe_logits.final': 2e-5}
LEAST_SENSITIVITY = 1e-3

CONFIGS = {
    'houlsby': adapters.DoubleSeqBnConfig(reduction_factor=16),
    'pfeiffer': adapters.SeqBnConfig(reduction_factor=16, leave_out=[0]),
    'parallel': adapters.ParBnConfig(reduction_factor=8),
    'scaled-parallel': adapters.ParBnConfig(reduction_factor=8, scaling='learned'),
    'compacter': adapters.CompacterConfig(reduction_factor=16),
    'compacter++': adapters.CompacterPlusPlusConfig(reduction_factor=8, phm_rank=2),
}
# Mix-and-match, two methods in one folder: a prefix through its MLP, and a parallel adapter.
MAM = adapters.MAMConfig(
    adapters.PrefixTuningConfig(prefix_length=5, bottleneck_size=12, cross_prefix=False),
    adapters.ParBnConfig(reduction_factor=8),
)


@dataclass(frozen=True)
class Case:
    seed: int
    base: str
    config: str
    max_norm: float = 1.0
    adamw: dict = field(default_factory=lambda: ADAMW)


CASES = {
    f'{base}-{config}': Case(3000 + 10 * index, base, config, adamw={**ADAMW, 'lr': 2e-3 if base == 'gpt2' or config == 'mam' else 5e-3})
    for index, (base, config) in enumerate(
        [(base, config) for base in ('bert', 'llama') for config in CONFIGS]
        + [('gpt2', 'houlsby'), ('bert', 'mam'), ('gpt2', 'mam')]
    )
}


def bert_base() -> BertForSequenceClassification:
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=64,
        layer_norm_eps=1e-5,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=CLASSES,
    )
    model = BertForSequenceClassification(config)
    randomise(model, 2900)
    return model


def load_base(name: str):
    if name == 'bert':
        return BertForSequenceClassification.from_pretrained(FIXTURES / TOPIC / 'bert', attn_implementation='eager')
    path = FIXTURES / 'families' / name
    if name == 'llama':
        # As transformers before version 5 has it: this one would overlook `rope_parameters`.
        config = LlamaConfig(**json.loads((path / 'config.before-v5.json').read_text()))
        return LlamaForCausalLM.from_pretrained(path, config=config, attn_implementation='eager')
    return GPT2LMHeadModel.from_pretrained(path, attn_implementation='eager')


def build(case: Case):
    model = load_base(case.base)
    adapters.init(model)
    # Written to the config; its own would be the path on this machine.
    model.config.name_or_path = model.name_or_path = case.base
    model.add_adapter('task', config={**CONFIGS, 'mam': MAM}[case.config])
    # Without the base's dropout: train_adapter turns it on.
    model.train_adapter('task')
    model.eval()
    gen = generator(case.seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_own = '.task.' in name
            parameter.requires_grad_(is_own or name.startswith('classifier.'))
            if not is_own:
                continue
            # Kronecker factors multiply: they must be larger for the adapter to be seen.
            std = 0.5 if any(part in name for part in ('phm_rule', 'W_left', 'W_right')) else 0.2
            parameter.copy_(normal(gen, *parameter.shape, mean=1.0 if name.endswith('scaling') else 0.0, std=std))
    return model


def draw_batches() -> dict[str, torch.Tensor]:
    """Ids, token weights and classes [steps, rows, …]; five batches over and over, so that there is something to learn."""
    gen = generator(900)
    ids = torch.randint(VOCABULARY, (5, 4, 16), generator=gen).repeat(STEPS // 5, 1, 1)
    weights = torch.tensor([0.0, 0.1, 1.0])[torch.randint(3, ids.shape, generator=gen)]
    weights[..., 0] = 0
    probe = torch.randint(VOCABULARY, (2, 16), generator=gen)
    classes = torch.randint(CLASSES, (5, 4), generator=gen).repeat(STEPS // 5, 1)
    return {'input_ids': ids, 'weights': weights, 'classes': classes, 'probe_ids': probe}


def loss_of(model, ids, weights, classes) -> torch.Tensor:
    if isinstance(model, BertForSequenceClassification):
        return torch.nn.functional.cross_entropy(model(input_ids=ids).logits, classes)
    logits = model(input_ids=ids, use_cache=False).logits
    entropy = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction='none')
    return (weights[:, 1:].flatten() * entropy).sum() / weights.sum()


@torch.no_grad()
def probe(model, batches) -> torch.Tensor:
    return model(input_ids=batches['probe_ids']).logits


def save(model, path) -> dict[str, torch.Tensor]:
    if isinstance(model.adapters_config.get('task'), adapters.MAMConfig):
        # The library cannot write prefixes as safetensors: layers share their tensors.
        path.mkdir(parents=True, exist_ok=True)
        save_tensors(path / 'weights.safetensors', own_weights(model))
        return own_weights(model)
    model.save_adapter(str(path), 'task', use_safetensors=True)
    if not isinstance(model, BertForSequenceClassification):
        # The library saves a language model's head beside every adapter, though nothing has trained it.
        for name in ('model_head.safetensors', 'head_config.json'):
            (path / name).unlink(missing_ok=True)
    return own_weights(model)


def own_weights(model) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters() if value.requires_grad}


def run(case: Case, batches, path=None, disturbance: int | None = None) -> dict:
    model = build(case)
    if disturbance is not None:
        disturb_last_bit(model, disturbance)
    if path:
        save(model, path / 'initial')
    before = probe(model, batches)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, **case.adamw)
    losses, norms = [], []
    for ids, weights, classes in zip(batches['input_ids'], batches['weights'], batches['classes']):
        loss = loss_of(model, ids, weights, classes)
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trainable, case.max_norm))
        optimizer.step()
        losses.append(loss.detach())
    if path:
        save(model, path / 'final')
    return {
        'results': {
            'losses': torch.stack(losses),
            'gradient_norms': torch.stack(norms),
            'probe_logits.initial': before,
            'probe_logits.final': probe(model, batches),
        },
        'weights': own_weights(model),
    }


def record(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    disturbed = [run(case, batches, disturbance=case.seed + i) for i in (1, 2)]
    moved = rounding_of(name, recorded, disturbed, LARGEST_ROUNDING)
    sensitivity = {}
    for mistake, wrong_case in {
        'clipping': replace(case, max_norm=float('inf')),
        'weightDecay': replace(case, adamw={**case.adamw, 'weight_decay': 0.0}),
    }.items():
        wrong = run(wrong_case, batches)
        sensitivity[mistake] = change_by(name, mistake, wrong, recorded, LEAST_SENSITIVITY / 3)
    norms = recorded['results']['gradient_norms']
    return {
        'seed': case.seed,
        'base': f'{TOPIC}/bert' if case.base == 'bert' else f'families/{case.base}',
        'steps': STEPS,
        'adamw': case.adamw,
        'maxGradientNorm': case.max_norm,
        'stepsClipped': int((norms > case.max_norm).sum()),
        'rounding': moved,
        'sensitivity': sensitivity,
    }


if __name__ == '__main__':
    bert_base().save_pretrained(folder(TOPIC, 'bert'))
    batches = draw_batches()
    save_tensors(folder(TOPIC) / 'batches.safetensors', batches)
    packages = ('torch', 'transformers', 'adapters', 'safetensors', 'numpy')
    save_meta(TOPIC, __file__, {name: record(name, batches) for name in CASES}, packages)
