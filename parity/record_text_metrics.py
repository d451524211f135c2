"""Records sacrebleu's BLEU and rouge-score's ROUGE-L of small corpora, with what their tokenisers do to punctuation."""

import json

from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU

from recording import folder, save_meta

TOPIC = 'text-metrics'
PACKAGES = ('sacrebleu', 'rouge-score')
CORPORA = {
    'translations': [
        ('The cat sat on the mat.', 'The cat is sitting on the mat.'),
        ('It costs 1,234.50 dollars-ish, e.g. "cheap" & cheerful!', 'It costs 1,234.50 dollars, i.e. "cheap" &amp; cheerful.'),
        ('In 1990-95 (roughly) nothing happened…', 'In 1990-95 (approximately), nothing happened...'),
        ('Über die Brücke gehen wir nach Hause', 'Wir gehen über die Brücke nach Hause'),
    ],
    'short': [('the quick brown fox jumps', 'the slow brown fox jumped'), ('yes', 'yes')],
    'no grams of four': [('a b c x d e f y', 'a b c z d e f w')],
    'no grams of three or four': [('a b x c d y e', 'a b z c d w q')],
    'too short': [('the cat', 'the cat sat on the mat')],
    'nothing right': [('a b c d e', 'v w x y z')],
    'too few words': [('a b', 'a b')],
    'repeated': [('the the the the the the the', 'the cat is on the mat')],
    'empty': [('', 'something'), ('some thing else here', 'some thing else here')],
}


def measure(pairs) -> dict:
    texts, references = [text for text, _ in pairs], [reference for _, reference in pairs]
    scorer = rouge_scorer.RougeScorer(['rougeL'], use_stemmer=False)
    rouge = [scorer.score(reference, text)['rougeL'].fmeasure for text, reference in pairs]
    return {
        'texts': texts,
        'references': references,
        'bleu': BLEU().corpus_score(texts, [references]).score,
        'rougeL': sum(rouge) / len(rouge),
    }


if __name__ == '__main__':
    cases = {name: measure(pairs) for name, pairs in CORPORA.items()}
    (folder(TOPIC) / 'expected.json').write_text(json.dumps(cases, indent=2, ensure_ascii=False) + '\n')
    save_meta(TOPIC, __file__, {name: len(pairs) for name, pairs in CORPORA.items()}, PACKAGES)
