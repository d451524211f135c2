"""Records twenty steps of BitFit (Ben Zaken et al. 2022) on a tiny random BERT that classifies pairs of texts.

As in the paper's code, every bias trains and the classifier whole. A key bias has no gradient but rounding, so the first
gradients of those are recorded, and their stepped values are no part of `rounding`.
"""

import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from recording import disturb_last_bit, folder, generator, randomise, relative_error, save_meta, save_tensors

TOPIC = 'bitfit-bert'
STEPS, ROWS, LENGTH, LABELS = 20, 4, 12, 3
SEED = 2600
ADAMW = {'lr': 3e-3, 'eps': 1e-6, 'weight_decay': 0.1}
MAX_NORM = 1.0
LARGEST_ROUNDING = {'losses': 5e-6, 'gradient_norms': 5e-5, 'weights': 5e-5}
LEAST_SENSITIVITY = 1e-3
CONFIG = BertConfig(
    vocab_size=96,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=20,
    layer_norm_eps=1e-3,
    num_labels=LABELS,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


def draw_batches() -> dict[str, torch.Tensor]:
    """Five batches over and over; the second half of a row is the second text of a pair."""
    gen = generator(SEED)
    ids = torch.randint(3, 96, (5, ROWS, LENGTH), generator=gen).repeat(STEPS // 5, 1, 1)
    labels = torch.randint(LABELS, (5, ROWS), generator=gen).repeat(STEPS // 5, 1)
    types = (torch.arange(LENGTH) >= LENGTH // 2).long().expand_as(ids)
    return {'input_ids': ids, 'token_type_ids': types, 'labels': labels}


def build() -> BertForSequenceClassification:
    model = BertForSequenceClassification._from_config(CONFIG, attn_implementation='eager')
    randomise(model, SEED)
    return model


def trains(name: str) -> bool:
    return name.endswith('.bias') or name.startswith('classifier')


def train(model, batches, chosen=trains, max_norm=MAX_NORM) -> dict:
    named = {name: parameter for name, parameter in model.named_parameters() if chosen(name)}
    for parameter in model.parameters():
        parameter.requires_grad = False
    for parameter in named.values():
        parameter.requires_grad = True
    matrices = [parameter for parameter in named.values() if parameter.dim() > 1]
    vectors = [parameter for parameter in named.values() if parameter.dim() == 1]
    groups = [{'params': matrices}, {'params': vectors, 'weight_decay': 0.0}]
    optimizer = torch.optim.AdamW([group for group in groups if group['params']], **ADAMW)
    losses, gradient_norms, first = [], [], {}
    for ids, types, labels in zip(batches['input_ids'], batches['token_type_ids'], batches['labels']):
        logits = model(input_ids=ids, token_type_ids=types).logits
        loss = nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        if not first:
            first = {f'gradient.{name}': p.grad.clone() for name, p in named.items() if name.endswith('key.bias')}
        gradient_norms.append(nn.utils.clip_grad_norm_(named.values(), max_norm))
        optimizer.step()
        losses.append(loss.detach())
    results = {'losses': torch.stack(losses), 'gradient_norms': torch.stack(gradient_norms)} | first
    weights = {name: p.detach().clone() for name, p in named.items() if not name.endswith('key.bias')}
    return {'results': results, 'weights': weights}


def weights_differ(other: dict, recorded: dict) -> float:
    shared = other['weights'].keys() & recorded['weights'].keys()
    return max(relative_error(other['weights'][key], recorded['weights'][key]) for key in shared)


if __name__ == '__main__':
    batches = draw_batches()
    model = build()
    model.save_pretrained(folder(TOPIC, 'base'))
    save_tensors(folder(TOPIC) / 'batches.safetensors', batches)
    recorded = train(model, batches)
    save_tensors(folder(TOPIC) / 'expected.safetensors', recorded['results'])
    save_tensors(folder(TOPIC) / 'final.safetensors', recorded['weights'])

    rounding = {key: 0.0 for key in LARGEST_ROUNDING}
    for seed in (1, 2, 3):
        disturbed = build()
        disturb_last_bit(disturbed, SEED + seed)
        other = train(disturbed, batches)
        moved = {key: relative_error(other['results'][key], recorded['results'][key]) for key in ('losses', 'gradient_norms')}
        moved['weights'] = weights_differ(other, recorded)
        rounding = {key: max(rounding[key], moved[key]) for key in rounding}
    assert all(rounding[key] < limit for key, limit in LARGEST_ROUNDING.items()), rounding
    sensitivity = {}
    for mistake, wrong in {
        'clipping': train(build(), batches, max_norm=float('inf')),
        'classifierFrozen': train(build(), batches, chosen=lambda name: trains(name) and 'classifier' not in name),
        'poolerFrozen': train(build(), batches, chosen=lambda name: trains(name) and 'pooler' not in name),
        'normBiasesFrozen': train(build(), batches, chosen=lambda name: trains(name) and 'LayerNorm' not in name),
        'tokenTypes': train(build(), {**batches, 'token_type_ids': torch.zeros_like(batches['token_type_ids'])}),
    }.items():
        sensitivity[mistake] = weights_differ(wrong, recorded)
        assert sensitivity[mistake] > LEAST_SENSITIVITY, f'{mistake} changes the weights by {sensitivity[mistake]} only'
    norms = recorded['results']['gradient_norms']
    case = {
        'seed': SEED,
        'base': f'{TOPIC}/base',
        'steps': STEPS,
        'adamw': ADAMW,
        'maxGradientNorm': MAX_NORM,
        'stepsClipped': int((norms > MAX_NORM).sum()),
        'rounding': rounding,
        'sensitivity': sensitivity,
    }
    save_meta(TOPIC, __file__, {'bert-bitfit': case})
