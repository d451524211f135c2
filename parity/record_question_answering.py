"""Records answers that stand in a passage: logits of encoders and decoders, twenty steps of PEFT's LoRA, rows of run_qa.py, SQuAD's measures.

The bodies are those of record_encoders.py and record_families.py, the tokenizers those of record_texts.py. Rows are trained one by one and their
losses averaged: transformers' softmax counts the tokens that fill up a batch, so that only a row by itself has the loss of its own tokens. The model inside PEFT's is called: PeftModelForQuestionAnswering.forward
of PEFT 0.21.2 forgets `token_type_ids`.
`rows.json` is what `prepare_train_features` of examples/pytorch/question-answering/run_qa.py does with fast tokenizers, written here after its
description; `squad.json` has torchmetrics' port of SQuAD's evaluation.
"""

import copy
import json
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from torchmetrics.functional.text import squad
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    PreTrainedTokenizerFast,
    logging,
)

from record_encoders import BLOCKS, build, inputs_of, logits_of, record_outputs
from record_token_classification import padded
from recording import (
    FIXTURES,
    PACKAGES,
    change_by,
    disturb_last_bit,
    folder,
    freeze_head,
    generator,
    normal,
    relative_error,
    rounding_of,
    save_adapter,
    save_json,
    save_meta,
    save_tensors,
    take_steps,
)

logging.set_verbosity_error()

TOPIC = 'question-answering'
STEPS, ROWS, LENGTH = 20, 4, 16
SEED = 5200
ADAMW = {'lr': 1e-3, 'eps': 1e-4, 'weight_decay': 0.1}
MAX_NORM = 1.0
LARGEST_ROUNDING = {'losses': 3e-6, 'weights': 3e-5, 'probe_logits.final': 3e-5}
LEAST_SENSITIVITY = 1e-3


def answering(model, base_state: dict[str, torch.Tensor], seed: int):
    """Puts a body's weights into a model that finds answers, and draws its head."""
    trunk = 'transformer.' if any(name.startswith('transformer.layers') for name, _ in model.named_parameters()) else None
    state = {trunk + name.removeprefix('model.') if trunk and name.startswith('model.') else name: each for name, each in base_state.items()}
    missing, _ = model.load_state_dict(state, strict=False)
    assert set(missing) == {'qa_outputs.weight', 'qa_outputs.bias'}, missing
    gen = generator(seed)
    with torch.no_grad():
        for parameter in model.qa_outputs.parameters():
            parameter.copy_(normal(gen, *parameter.shape, std=0.2))
    return model


def body_of(family: str, topic: str):
    auto = AutoModelForMaskedLM if topic == 'encoders' else AutoModelForCausalLM
    return auto.from_pretrained(FIXTURES / topic / family)


def record_logits(family: str, topic: str, seed: int) -> dict:
    base = body_of(family, topic)
    config = copy.deepcopy(base.config)
    config.num_labels = 2
    model = answering(build(AutoModelForQuestionAnswering, config), base.state_dict(), seed)
    inputs = inputs_of(family, generator(seed + 1)) if topic == 'encoders' else padded(config, seed + 1)
    forward = model.forward

    def both(**given):
        outputs = forward(**given)
        return SimpleNamespace(logits=torch.stack((outputs.start_logits, outputs.end_logits), -1))

    model.forward = both
    blocks = {'llama': 'transformer.layers', 'mistral': 'model.layers'}.get(family) or BLOCKS.get(family, f'{family}.encoder.layer')
    expected = record_outputs(blocks, model, inputs)
    head = {f'qa_outputs.{name}': each.detach().clone() for name, each in model.qa_outputs.named_parameters()}
    save_tensors(folder(TOPIC) / f'{family}.safetensors', {**expected, **head})
    logits = expected['logits']
    disturb_last_bit(model, seed + 2)
    return {'seed': seed, 'largestLogit': logits.abs().max().item(), 'rounding': relative_error(logits_of(model, inputs), logits)}


@dataclass(frozen=True)
class Case:
    base: str
    targets: tuple[str, ...]


CASES = {
    'bert': Case('encoders/bert', ('query', 'value')),
    'distilbert': Case('encoders/distilbert', ('q_lin', 'v_lin')),
    'llama': Case('families/llama', ('q_proj', 'v_proj')),
    'gpt2': Case('families/gpt2', ('c_attn',)),
}


def draw_batches() -> dict[str, torch.Tensor]:
    """Five batches over and over, and one to probe with: a passage behind a question, an answer in it or none."""
    gen = generator(SEED)
    lengths = torch.randint(8, LENGTH + 1, (6, ROWS), generator=gen)
    lengths[:, 0] = LENGTH
    passages = torch.randint(3, 6, (6, ROWS), generator=gen)
    begins = passages + (torch.rand((6, ROWS), generator=gen) * (lengths - passages)).long()
    ends = begins + (torch.rand((6, ROWS), generator=gen) * (lengths - begins)).long()
    none = torch.rand((6, ROWS), generator=gen) < 0.2
    ids = torch.randint(3, 90, (6, ROWS, LENGTH), generator=gen)
    return {
        'input_ids': ids * (torch.arange(LENGTH) < lengths[..., None]),
        'lengths': lengths,
        'passages': passages,
        'begins': begins.masked_fill(none, 0),
        'ends': ends.masked_fill(none, 0),
    }


def rows_of(batch: dict[str, torch.Tensor], case: Case, length=None):
    for ids, own, passage, begin, end in zip(*(batch[key] for key in ('input_ids', 'lengths', 'passages', 'begins', 'ends'))):
        size = length or int(own)
        types = {'token_type_ids': (torch.arange(size) >= passage).long()[None]} if case.base.endswith('/bert') else {}
        yield {'input_ids': ids[None, :size], **types}, {'start_positions': begin[None], 'end_positions': end[None]}


def build_lora(case: Case, alpha: int = 8):
    topic, family = case.base.split('/')
    base = body_of(family, topic)
    config = AutoConfig.from_pretrained(FIXTURES / case.base)
    config.num_labels = 2
    model = answering(build(AutoModelForQuestionAnswering, config), base.state_dict(), SEED + 2)
    lora = LoraConfig(
        r=4,
        lora_alpha=alpha,
        lora_dropout=0.0,
        target_modules=list(case.targets),
        task_type='QUESTION_ANS',
        fan_in_fan_out=family == 'gpt2',
    )
    model = get_peft_model(model, lora)
    gen = generator(SEED + 1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'lora_' in name:
                parameter.copy_(normal(gen, *parameter.shape, std=0.2 if 'lora_A' in name else 0.1))
    model.peft_config['default'].base_model_name_or_path = f'parity/fixtures/{case.base}'
    return model


def at_step(batches: dict[str, torch.Tensor], step: int) -> dict[str, torch.Tensor]:
    return {name: tensor[step] for name, tensor in batches.items()}


def train(model, case: Case, batches, length=None, frozen=False) -> dict[str, torch.Tensor]:
    if frozen:
        freeze_head(model)

    def loss_at(step: int) -> torch.Tensor:
        rows = rows_of(at_step(batches, step % 5), case, length)
        return torch.stack([model.base_model(**inputs, **answer).loss for inputs, answer in rows]).mean()

    return take_steps(model, loss_at, STEPS, ADAMW, MAX_NORM)


def run(case: Case, batches, path=None, disturbance: int | None = None, **wrong) -> dict:
    model = build_lora(case, **{key: wrong.pop(key) for key in ('alpha',) if key in wrong})
    if disturbance is not None:
        disturb_last_bit(model, disturbance)

    @torch.no_grad()
    def probe() -> torch.Tensor:
        """The logits of the first row, which fills its batch."""
        inputs, _ = next(rows_of(at_step(batches, 5), case))
        outputs = model.base_model(**inputs)
        return torch.stack((outputs.start_logits, outputs.end_logits), -1)[0]

    if path:
        save_adapter(model, path / 'initial')
    before = probe()
    curve = train(model, case, batches, **wrong)
    if path:
        save_adapter(model, path / 'final')
    weights = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
    return {
        'results': {**curve, 'probe_logits.initial': before, 'probe_logits.final': probe()},
        'weights': weights,
    }


def record_training(name: str, batches) -> dict:
    case, path = CASES[name], folder(TOPIC, name)
    recorded = run(case, batches, path)
    save_tensors(path / 'expected.safetensors', recorded['results'])
    rounding = rounding_of(name, recorded, [run(case, batches, disturbance=SEED + i) for i in (1, 2, 3)], LARGEST_ROUNDING)
    swapped = {**batches, 'begins': batches['ends'], 'ends': batches['begins']}
    mistakes = {
        'swapped': run(case, swapped),
        'padding': run(case, batches, length=LENGTH),
        'alpha': run(case, batches, alpha=4),
        'frozenHead': run(case, batches, frozen=True),
    }
    return {
        'seed': SEED,
        'base': case.base,
        'steps': STEPS,
        'options': {},
        'adamw': ADAMW,
        'maxGradientNorm': MAX_NORM,
        'losses': recorded['results']['losses'].tolist(),
        'rounding': rounding,
        'sensitivity': {key: change_by(name, key, wrong, recorded, LEAST_SENSITIVITY) for key, wrong in mistakes.items()},
    }


# Rows of questions and passages.

PASSAGES = [
    'the cat sat on the mat , and the dog sat on the log .',
    'A film of great charm and little plot; its best moments are its quietest. Is it raining? It is raining cats and dogs!',
    # Letters that normalisers change, that take several bytes or two code units, and that no vocabulary has.
    'The café sat on the “mat”, and the 😀 dog — naïve — sat on the log. Ça va!  İt is ﬁne\tand Ω.',
]
QUESTIONS = [
    (0, 'the cat sat ?', ['the mat', 'mat']),
    (0, 'dog ?', ['log .']),
    (1, '  Is it raining ?', ['its quietest']),
    (1, 'the film ?', ['It is raining cats and dogs!']),
    (1, 'cats ?', []),
    (2, 'the mat ?', ['mat']),
    (2, 'dog ?', ['😀 dog']),
    (2, 'naïve ?', ['naïve']),
    (2, 'the log ?', ['Ça va']),
    (2, 'fine ?', ['Ω']),
]
WINDOWS = [(96, 16), (40, 8), (24, 4)]


def units(text: str, point: int) -> int:
    """An index in code points as one in UTF-16 code units."""
    return len(text[:point].encode('utf-16-le')) // 2


def record_rows() -> None:
    cases = []
    for name in ('bert', 'roberta', 'xlm-roberta'):
        tokenizer = PreTrainedTokenizerFast.from_pretrained(FIXTURES / 'texts' / name)
        for passage, question, answers in QUESTIONS:
            context = PASSAGES[passage]
            starts = [context.index(answer) for answer in answers]
            for most, stride in WINDOWS:
                encoded = tokenizer(
                    question.lstrip(),
                    context,
                    truncation='only_second',
                    max_length=most,
                    stride=stride,
                    return_overflowing_tokens=True,
                    return_offsets_mapping=True,
                    return_token_type_ids=True,
                )
                rows = []
                for row, offsets in enumerate(encoded['offset_mapping']):
                    sequence = encoded.sequence_ids(row)
                    own = [index for index, of in enumerate(sequence) if of == 1]
                    begin, end = 0, 0
                    if answers and own:
                        start_char, end_char = starts[0], starts[0] + len(answers[0])
                        if offsets[own[0]][0] <= start_char and offsets[own[-1]][1] >= end_char:
                            begin = max(index for index in own if offsets[index][0] <= start_char)
                            end = min(index for index in own if offsets[index][1] >= end_char)
                    rows.append(
                        {
                            'ids': encoded['input_ids'][row],
                            'types': encoded['token_type_ids'][row],
                            'passage': own,
                            'spans': [[units(context, place) for place in offsets[index]] for index in own],
                            'answer': [begin, end],
                        }
                    )
                cases.append(
                    {
                        'tokenizer': name,
                        'question': question,
                        'context': context,
                        'answers': {'text': answers, 'answer_start': starts},
                        'maxLength': most,
                        'stride': stride,
                        'rows': rows,
                    }
                )
    lines = ',\n'.join(json.dumps(case, ensure_ascii=False) for case in cases)
    (folder(TOPIC) / 'rows.json').write_text(f'[\n{lines}\n]\n')


ANSWERS = [
    ('the mat', ['the mat', 'mat']),
    ('The  Mat!', ['a mat']),
    ('on the mat and the log', ['the log', 'mat']),
    ('cats and cats', ['cats, dogs']),
    ('', ['mat']),
    ('$400', ['400']),
    ("dog's", ['dogs', 'the dog']),
    ('an à la carte theatre', ['à la carte theatre a']),
]


def record_squad() -> None:
    predictions = [{'prediction_text': text, 'id': str(index)} for index, (text, _) in enumerate(ANSWERS)]
    targets = [
        {'answers': {'text': answers, 'answer_start': [0] * len(answers)}, 'id': str(index)}
        for index, (_, answers) in enumerate(ANSWERS)
    ]
    every = {key: value.item() / 100 for key, value in squad(predictions, targets).items()}
    single = [
        {key: value.item() / 100 for key, value in squad([one], [other]).items()} for one, other in zip(predictions, targets)
    ]
    save_json(
        folder(TOPIC) / 'squad.json',
        {'all': every, 'cases': [{'answer': text, 'right': answers, **scores} for (text, answers), scores in zip(ANSWERS, single)]},
    )


if __name__ == '__main__':
    cases = {}
    batches = draw_batches()
    save_tensors(folder(TOPIC) / 'batches.safetensors', batches)
    for name in CASES:
        cases[name] = record_training(name, batches)
    logits = {family: record_logits(family, 'encoders', 100 * (i + 1)) for i, family in enumerate(('bert', 'roberta', 'distilbert', 'electra'))}
    logits |= {family: record_logits(family, 'families', 1000 + 100 * i) for i, family in enumerate(('llama', 'gpt2', 'mistral'))}
    save_json(folder(TOPIC) / 'logits.json', logits)
    record_rows()
    record_squad()
    save_meta(TOPIC, __file__, cases, (*PACKAGES, 'tokenizers', 'torchmetrics'))
