"""Records labels of tokens: the logits of encoders and decoders with such a head, one checkpoint with its loss, and seqeval's scores.

The bodies are those of record_encoders.py and record_families.py; each case holds the head's own weights and the logits of padded rows.
`checkpoint` is a small BERT as transformers saves it, with rows whose labels are -100 where there are none, and the loss of them.
"""

import copy

import torch
from seqeval.metrics import f1_score, precision_score, recall_score
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForTokenClassification,
    BertConfig,
    BertForTokenClassification,
)

from record_encoders import BLOCKS, LENGTHS, build, inputs_of, logits_of, record_outputs
from recording import (
    FIXTURES,
    PACKAGES,
    disturb_last_bit,
    folder,
    generator,
    normal,
    randomise,
    relative_error,
    save_json,
    save_meta,
    save_tensors,
)

TOPIC = 'token-classification'
LABELS = 3
TAGS = ['O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC']


def padded(config, seed: int) -> dict[str, torch.Tensor]:
    gen = generator(seed)
    mask = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=torch.long)
    for row, length in enumerate(LENGTHS):
        mask[row, :length] = 1
    return {'input_ids': torch.randint(1, config.vocab_size, mask.shape, generator=gen) * mask, 'attention_mask': mask}


def record(family: str, topic: str, auto, seed: int) -> dict:
    base = auto.from_pretrained(FIXTURES / topic / family)
    config = copy.deepcopy(base.config)
    config.num_labels = LABELS
    model = build(AutoModelForTokenClassification, config)
    model.load_state_dict(base.state_dict(), strict=False)
    name = 'score' if hasattr(model, 'score') else 'classifier'
    head = getattr(model, name)
    gen = generator(seed)
    with torch.no_grad():
        head.weight.copy_(normal(gen, *head.weight.shape, std=0.2))
        head.bias.copy_(normal(gen, *head.bias.shape, std=0.2))
    inputs = inputs_of(family, generator(seed + 1)) if topic == 'encoders' else padded(config, seed + 1)
    expected = record_outputs(BLOCKS.get(family, f'{family}.encoder.layer'), model, inputs)
    weights = {f'{name}.weight': head.weight, f'{name}.bias': head.bias}
    save_tensors(folder(TOPIC) / f'{family}.safetensors', {**expected, **{key: each.detach().clone() for key, each in weights.items()}})
    logits = expected['logits']
    disturb_last_bit(model, seed + 2)
    return {'seed': seed, 'largestLogit': logits.abs().max().item(), 'rounding': relative_error(logits_of(model, inputs), logits)}


def record_checkpoint(seed: int) -> dict:
    config = BertConfig(
        vocab_size=40,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=40,
        max_position_embeddings=32,
        id2label=dict(enumerate(TAGS)),
        label2id={name: index for index, name in enumerate(TAGS)},
    )
    model = BertForTokenClassification(config).eval()
    randomise(model, seed)
    path = folder(TOPIC, 'checkpoint')
    model.save_pretrained(path)
    gen = generator(seed + 1)
    inputs = padded(config, seed + 1)
    labels = torch.randint(0, len(TAGS), inputs['input_ids'].shape, generator=gen)
    # Of every third token there is nothing to say, nor of the first, which stands for [CLS], nor of padding.
    labels[:, ::3] = -100
    labels[inputs['attention_mask'] == 0] = -100
    with torch.no_grad():
        outputs = model(**inputs, labels=labels)
    save_tensors(path / 'rows.safetensors', {**inputs, 'labels': labels, 'loss': outputs.loss, 'logits': outputs.logits})
    return {'seed': seed, 'loss': outputs.loss.item()}


def record_spans(seed: int) -> list[dict]:
    """Sentences of random tags: what is predicted differs in some, and both break the rules of the scheme."""
    cases = []
    names = {'IOB': TAGS, 'IOBES': ['O', *(f'{prefix}-{kind}' for kind in ('PER', 'LOC') for prefix in 'BIES')], 'none': ['O', 'B-PER']}
    for case, (scheme, tags) in enumerate(names.items()):
        gen = generator(seed + case)
        actual, predicted = [], []
        for length in (7, 1, 12, 9, 20):
            drawn = torch.randint(0, len(tags), (length,), generator=gen).tolist()
            other = torch.randint(0, len(tags), (length,), generator=gen).tolist()
            keeps = (torch.rand(length, generator=gen) < 0.7).tolist()
            outside = scheme == 'none'
            actual.append([tags[0 if outside else tag] for tag in drawn])
            predicted.append([tags[0 if outside else tag if kept else others] for tag, others, kept in zip(drawn, other, keeps)])
        cases.append(
            {
                'scheme': scheme,
                'actual': actual,
                'predicted': predicted,
                'precision': float(precision_score(actual, predicted, zero_division=0)),
                'recall': float(recall_score(actual, predicted, zero_division=0)),
                'f1': float(f1_score(actual, predicted, zero_division=0)),
            }
        )
    save_json(folder(TOPIC) / 'spans.json', cases)
    return [{key: case[key] for key in ('scheme', 'precision', 'recall', 'f1')} for case in cases]


if __name__ == '__main__':
    encoders = ('bert', 'roberta', 'distilbert', 'electra')
    cases = {family: record(family, 'encoders', AutoModelForMaskedLM, 100 * (i + 1)) for i, family in enumerate(encoders)}
    for i, family in enumerate(('llama', 'gpt2')):
        cases[family] = record(family, 'families', AutoModelForCausalLM, 1000 + 100 * i)
    cases['checkpoint'] = record_checkpoint(2000)
    cases['spans'] = record_spans(3000)
    save_meta(TOPIC, __file__, cases, (*PACKAGES, 'seqeval'))
