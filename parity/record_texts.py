"""Records what transformers makes of texts and pairs for encoders: special tokens, token types, and what it cuts.

The tokenizers are tiny, of three kinds: WordPiece with BERT's template, byte-level BPE with RoBERTa's processor, and
XLM-RoBERTa's template, which doubles the end token without RoBERTa's processor.
"""

import json

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from recording import folder, save_json, save_meta

TOPIC = 'texts'
TRAINED_ON = [
    'the cat sat on the mat , and the dog sat on the log .',
    'A film of great charm and little plot ; its best moments are its quietest .',
    'Is it raining ? It is raining cats and dogs !',
]
TEXTS = [
    ['the cat sat on the mat .'],
    ['Is it raining ?', 'It is .'],
    ['the dog sat on the log , and the cat sat on the mat', 'A film of great charm and little plot ; its best'],
    ['cats', 'the dog sat on the log , and the cat sat on the mat , and it is raining'],
    ['the dog sat on the log , and the cat sat on the mat , and it is raining', 'dogs !'],
    ['a film of great charm', 'its best moments are its quietest'],
    ['', 'it is'],
    [''],
]
LENGTHS = [64, 17, 16, 9, 6]


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token='[UNK]'))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    tokenizer.train_from_iterator(TRAINED_ON, trainers.WordPieceTrainer(vocab_size=90, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single='[CLS] $A [SEP]',
        pair='[CLS] $A [SEP] $B:1 [SEP]:1',
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ('[CLS]', '[SEP]')],
    )
    return tokenizer


def byte_level(processor) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token='<unk>'))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ['<s>', '<pad>', '</s>', '<unk>', '<mask>']
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TRAINED_ON, trainer)
    tokenizer.post_processor = processor(tokenizer)
    return tokenizer


def roberta(tokenizer: Tokenizer):
    return processors.RobertaProcessing(
        ('</s>', tokenizer.token_to_id('</s>')), ('<s>', tokenizer.token_to_id('<s>')), add_prefix_space=False
    )


def xlm_roberta(tokenizer: Tokenizer):
    return processors.TemplateProcessing(
        single='<s> $A </s>',
        pair='<s> $A </s> </s> $B </s>',
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ('<s>', '</s>')],
    )


BERT_NAMES = {'unk_token': '[UNK]', 'sep_token': '[SEP]', 'pad_token': '[PAD]', 'cls_token': '[CLS]', 'mask_token': '[MASK]'}
ROBERTA_NAMES = {
    'bos_token': '<s>',
    'eos_token': '</s>',
    'unk_token': '<unk>',
    'sep_token': '</s>',
    'pad_token': '<pad>',
    'cls_token': '<s>',
    'mask_token': '<mask>',
}
CASES = {
    'bert': (word_piece(), BERT_NAMES),
    'roberta': (byte_level(roberta), ROBERTA_NAMES),
    'xlm-roberta': (byte_level(xlm_roberta), ROBERTA_NAMES),
}


def record(name: str) -> dict:
    tokenizer, names = CASES[name]
    path = folder(TOPIC, name)
    (path / 'tokenizer.json').write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False) + '\n')
    save_json(path / 'tokenizer_config.json', names)
    encode = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    rows = []
    for texts in TEXTS:
        for length in LENGTHS:
            encoded = encode(*texts, truncation='longest_first', max_length=length, return_token_type_ids=True)
            rows.append({'texts': texts, 'maxLength': length, 'ids': encoded['input_ids'], 'types': encoded['token_type_ids']})
    lines = ',\n'.join(f'  {json.dumps(row, ensure_ascii=False)}' for row in rows)
    (path / 'expected.json').write_text(f'[\n{lines}\n]\n')
    cut = sum(len(row['ids']) == row['maxLength'] for row in rows)
    return {'rows': len(rows), 'cut': cut, 'typed': sum(1 in row['types'] for row in rows)}


if __name__ == '__main__':
    save_meta(TOPIC, __file__, {name: record(name) for name in CASES}, ('transformers', 'tokenizers'))
