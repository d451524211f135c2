"""Records which answers run_qa.py chooses by the logits of a passage's parts.

    python parity/record_answer_choice.py UTILS_QA

UTILS_QA is examples/pytorch/question-answering/utils_qa.py of transformers, which its package leaves out (recorded with that of commit
31f57e9efd761882d1296f7f6ade11ee87a3900e); numpy and tqdm are what it needs. It ranks all tokens of a row, Tunesmith those of the passage: here a
question's logits are far below, and so is the first token's where fewer tokens are looked at than there are.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import torch

from recording import folder, generator

WORDS = 'the cat sat on a mat and dog of log in old town by sea at noon for days'.split()
FAR_BELOW = -50.0
# Whether nothing may be answered, by how much it must score better, and the two limits.
SETTINGS = [
    (False, 0.0, 20, 30),
    (False, 0.0, 20, 3),
    (False, 0.0, 3, 30),
    (True, 0.0, 20, 30),
    (True, 1.5, 20, 4),
    (True, -1.5, 20, 30),
    (True, 0.0, 3, 4),
]
CASES_PER_SETTING = 8


def utils_qa(path: str):
    spec = importlib.util.spec_from_file_location('utils_qa', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw(gen: torch.Generator, few: bool) -> dict:
    """A passage, and of each of its parts which words it holds and the logits of its first token and of these."""

    def below(most: int) -> int:
        return int(torch.randint(most, (1,), generator=gen))

    words = [WORDS[below(len(WORDS))] for _ in range(10 + below(6))]
    context = ' '.join(words)
    ends = [len(' '.join(words[: index + 1])) for index in range(len(words))]
    spans = [(end - len(word), end) for word, end in zip(words, ends)]
    parts = []
    for start, end in [(0, len(words))] if below(2) == 0 else [(0, 7), (4, len(words))]:
        logits = 2 * torch.randn((end - start + 1, 2), generator=gen)
        logits[0] = FAR_BELOW + logits[0] if few else 3 + logits[0]
        parts.append({'words': [start, end], 'logits': [[round(value, 2) for value in pair] for pair in logits.tolist()]})
    return {'context': context, 'spans': spans, 'parts': parts}


def chosen(module, case: dict, nothing: bool, threshold: float, most: int, longest: int) -> dict:
    question = 3
    features, begins, ends = [], [], []
    for part in case['parts']:
        start, end = part['words']
        own = [None] * (1 + question) + case['spans'][start:end]
        features.append({'example_id': 'a', 'offset_mapping': own})
        first, *rest = part['logits']
        rows = torch.tensor([first, *[[FAR_BELOW * 2, FAR_BELOW * 2]] * question, *rest], dtype=torch.float32).numpy()
        begins.append(rows[:, 0])
        ends.append(rows[:, 1])

    class Examples(list):
        def __getitem__(self, key):
            return [one[key] for one in self] if isinstance(key, str) else super().__getitem__(key)

    with tempfile.TemporaryDirectory() as output:
        answers = module.postprocess_qa_predictions(
            Examples([{'id': 'a', 'context': case['context']}]),
            features,
            (begins, ends),
            version_2_with_negative=nothing,
            n_best_size=most,
            max_answer_length=longest,
            null_score_diff_threshold=threshold,
            output_dir=output,
        )
        ranked = json.loads((Path(output) / 'nbest_predictions.json').read_text())['a']
    return {'answer': answers['a'], 'nBest': [[one['text'], round(one['probability'], 7)] for one in ranked]}


def main() -> None:
    module = utils_qa(sys.argv[1])
    gen = generator(5300)
    cases = []
    for nothing, threshold, most, longest in SETTINGS:
        recorded = []
        while len(recorded) < CASES_PER_SETTING:
            case = draw(gen, most < 20)
            expected = chosen(module, case, nothing, threshold, most, longest)
            # What run_qa.py puts there where nothing fits, and sums of logits that are equal, whose order is chance.
            if any(text == 'empty' for text, _ in expected['nBest']) or len({odds for _, odds in expected['nBest']}) < len(expected['nBest']):
                continue
            options = {'nBest': most, 'maxAnswerLength': longest} | ({'nullThreshold': threshold} if nothing else {})
            recorded.append({'options': options, **case, **expected})
        answers = {one['answer'] == '' for one in recorded}
        assert answers == ({True, False} if nothing and most == 20 else {False}), (nothing, threshold, answers)
        cases += recorded
    lines = ',\n'.join(json.dumps(case) for case in cases)
    (folder('question-answering') / 'choices.json').write_text(f'[\n{lines}\n]\n')


if __name__ == '__main__':
    main()
