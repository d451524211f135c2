import { describe, expect, it } from 'vitest';
import { loadChatTemplate } from '../chat/chat-template.js';
import { decodeRow, encodeRow } from '../dataset/row-codec.js';
import { byteFallbackFiles } from '../fixtures/tiny-tokenizers.js';
import type { Example } from '../format/example.js';
import { joinRows } from '../pack/pack-rows.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import { tokenizeExample } from './tokenize-example.js';

const tokenizer = createTokenizer(byteFallbackFiles());
const options = { tokenizer, template: null, maxLength: 64, answerStart: 7 };
const pair: Example = { kind: 'pair', prompt: 'say bee', completion: 'bee' };
const texts = ({ rows: [row] }: ReturnType<typeof tokenizeExample>) => ({
  source: tokenizer.decode(row?.source ?? []),
  answer: tokenizer.decode((row?.tokens ?? new Int32Array()).slice(1)),
  weights: [...(row?.weights ?? [])],
  start: row?.tokens[0],
});

describe('an answer to what an encoder reads', () => {
  it("has the prompt in the tokenizer's template apart, and an answer that begins and ends with a token of its own", () => {
    const { start, source, answer, weights } = texts(tokenizeExample(pair, options));
    expect({ start, source, answer }).toEqual({ start: 7, source: '<s> say bee', answer: 'bee</s>' });
    expect(weights).toEqual([0, ...Array<number>(weights.length - 1).fill(1)]);
  });

  it('is the last of a conversation, to all that comes before it', () => {
    const chat: Example = {
      kind: 'chat',
      messages: [
        { role: 'user', content: 'one' },
        { role: 'assistant', content: 'two' },
        { role: 'user', content: 'three' },
        { role: 'assistant', content: 'four' },
      ],
      promptMessages: 0,
    };
    const template = loadChatTemplate(tokenizer, 'chatml');
    const { source, answer } = texts(tokenizeExample(chat, { ...options, template, maxLength: 400 }));
    expect(source).toContain('one');
    expect(source).toContain('three');
    expect(source).not.toContain('four');
    expect(answer).toMatch(/^four/);
  });

  it('is cut at its end, and so is the source, each to the longest that a row may be', () => {
    const long: Example = { kind: 'pair', prompt: 'a b c d e f g h', completion: 'q r s t u v w x' };
    const result = tokenizeExample(long, { ...options, maxLength: 6 });
    const [row] = result.rows;
    expect([row?.tokens.length, row?.source?.length]).toEqual([6, 6]);
    expect(result.promptTokensDropped).toBeGreaterThan(0);
    expect(result.answerTokensDropped).toBeGreaterThan(0);
    expect(row?.tokens.at(-1)).not.toBe(tokenizer.eosId);
  });

  it('is kept in the cache of rows, an empty source too', () => {
    const [row] = tokenizeExample(pair, options).rows;
    for (const bytes of [2, 4] as const) {
      for (const each of [row, { ...row, source: new Int32Array() }]) {
        expect(decodeRow(encodeRow(each as never, bytes), bytes)).toEqual(each);
      }
    }
  });

  it('is no plain text, and is not packed', () => {
    expect(() => tokenizeExample({ kind: 'text', text: 'a' }, options)).toThrow(/DATA_INVALID.*prompts and answers/);
    const { rows } = tokenizeExample(pair, options);
    expect(() => joinRows([...rows, ...rows])).toThrow('rows cannot be packed');
  });
});
