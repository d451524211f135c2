import { describe, expect, it } from 'vitest';
import { byteFallbackFiles, byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import { tokenSpans } from './token-spans.js';
import { createTokenizer } from './tokenizer.js';

// Offsets of huggingface/tokenizers are recorded in parity/question-answering.test.ts; here is what its three tokenizers have not.
const spansOf = (tokenizer: ReturnType<typeof createTokenizer>, text: string): [string, string][] => {
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  const spans = tokenSpans(tokenizer, text, ids);
  return ids.map((id, at) => [tokenizer.idToToken(id) as string, text.slice(spans[2 * at], spans[2 * at + 1])]);
};

describe('where tokens stand', () => {
  it('is told of pieces with a fallback to bytes', () => {
    const tokenizer = createTokenizer(byteFallbackFiles());
    expect(spansOf(tokenizer, 'the  é and')).toEqual([
      ['▁the', 'the'],
      ['▁', ''],
      ['▁', ''],
      ['<0xC3>', 'é'],
      ['<0xA9>', 'é'],
      ['▁and', 'and'],
    ]);
  });

  it('is told of bytes, however letters are composed', () => {
    const tokenizer = createTokenizer(byteLevelFiles());
    const text = 'the e\u0301 and';
    const spans = spansOf(tokenizer, text);
    expect(spans.at(0)).toEqual(['the', 'the']);
    expect(spans.at(-1)?.[1]).toBe('and');
    expect(spans.map(([, part]) => part).filter((part) => part === 'e' || part === '\u0301')).toEqual([
      'e',
      '\u0301',
      '\u0301',
    ]);
  });

  it('has an accent that a normaliser takes away with its letter', () => {
    const files = byteFallbackFiles();
    const { normalizer } = files.tokenizerJson;
    const strip = [{ type: 'NFD' }, { type: 'StripAccents' }];
    const normalizers = normalizer ? [...strip, normalizer] : strip;
    const tokenizer = createTokenizer({
      ...files,
      tokenizerJson: { ...files.tokenizerJson, normalizer: { type: 'Sequence', normalizers } as never },
    });
    const parts = spansOf(tokenizer, 'the e\u0301 and').map(([, part]) => part);
    expect(parts.filter((part) => part.startsWith('e'))).toEqual(['e\u0301']);
  });

  it('finds its way again behind what the vocabulary lacks', () => {
    const files = byteFallbackFiles();
    const model = files.tokenizerJson.model as Record<string, unknown>;
    const tokenizer = createTokenizer({
      ...files,
      tokenizerJson: { ...files.tokenizerJson, model: { ...model, byte_fallback: false, unk_token: null } },
    });
    const spans = spansOf(tokenizer, 'the ☃☃ and ☃');
    expect(spans.find(([token]) => token === '▁and')).toEqual(['▁and', 'and']);
  });
});
