import { describe, expect, it } from 'vitest';
import { ggufTokenizer } from './gguf-tokenizer.js';
import { mergesOfScores } from './merges-of-scores.js';
import { createTokenizer } from './tokenizer.js';

const byteLevel = {
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.pre': 'llama-bpe',
  'tokenizer.ggml.tokens': ['<s>', '</s>', '<end>', 'a', 'b', 'ab', 'Ġ', 'Ġab', '<think>'],
  'tokenizer.ggml.token_type': [3, 3, 3, 1, 1, 1, 1, 1, 4],
  'tokenizer.ggml.merges': ['a b'],
  'tokenizer.ggml.bos_token_id': 0,
  'tokenizer.ggml.eos_token_id': 1,
  'tokenizer.ggml.eot_token_id': 2,
};

describe('ggufTokenizer', () => {
  it('knows what goes around a text, what ends one, and which tokens are special', () => {
    const tokenizer = createTokenizer(ggufTokenizer(byteLevel, 'a.gguf'));
    // "Ġab" is a token that no merges make: Llama 3's words are looked up whole.
    expect(tokenizer.encode('ab ab<think>a</s>')).toEqual([0, 5, 7, 8, 3, 1]);
    expect(tokenizer.decode([7, 8, 1], { skipSpecialTokens: true })).toBe(' ab<think>');
    expect(tokenizer).toMatchObject({ bosId: 0, eosId: 1, padId: 1, endIds: [1, 2], prefixIds: [0], suffixIds: [] });
    const around = { 'tokenizer.ggml.add_bos_token': false, 'tokenizer.ggml.add_eos_token': true };
    const other = createTokenizer(ggufTokenizer({ ...byteLevel, ...around }, 'a.gguf'));
    expect(other.encode('ab')).toEqual([5, 1]);
  });

  it('names the file and the key of what it does not know', () => {
    expect(() => ggufTokenizer({ ...byteLevel, 'tokenizer.ggml.pre': 'tekken' }, 'a.gguf')).toThrow(
      /FILE_INVALID at a\.gguf, tokenizer\.ggml\.pre: .*expected gpt-2, .*got tekken/,
    );
    expect(() => ggufTokenizer({ ...byteLevel, 'tokenizer.ggml.model': 't5' }, 'a.gguf')).toThrow(
      /tokenizer\.ggml\.model: .*expected gpt2, llama, got t5/,
    );
    const { 'tokenizer.ggml.merges': _, ...without } = byteLevel;
    expect(() => ggufTokenizer(without, 'a.gguf')).toThrow(/tokenizer\.ggml\.merges: .*expected a list, got nothing/);
  });
});

it('merges by the scores of what comes out, then the longer first part', () => {
  const tokens = ['a', 'b', 'ab', 'aba', 'ba'];
  expect(mergesOfScores(tokens, [0, 0, -2, -1, -3])).toEqual([
    ['ab', 'a'],
    ['a', 'ba'],
    ['a', 'b'],
    ['b', 'a'],
  ]);
});
