import type { Row } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { loadChatTemplate } from '../chat/chat-template.js';
import { decodeRow, encodeRow } from '../dataset/row-codec.js';
import { byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import type { Example } from '../format/example.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import { tokenizeExample } from './tokenize-example.js';

const tokenizer = createTokenizer(byteLevelFiles());
const template = loadChatTemplate(tokenizer, 'chatml');
const pair = (prompt: string, chosen: string, rejected: string): Example => ({
  kind: 'preference',
  chosen: { kind: 'pair', prompt, completion: chosen },
  rejected: { kind: 'pair', prompt, completion: rejected },
});
const tokenize = (example: Example, maxLength = 64) => tokenizeExample(example, { tokenizer, template, maxLength });
type Text = { readonly tokens: Int32Array; readonly weights: Float32Array };
const textOf = ({ tokens }: Text): string => tokenizer.decode(tokens);
const answerOf = ({ tokens, weights }: Text): string => tokenizer.decode(tokens.filter((_, at) => weights[at] === 1));

describe('a pair of answers', () => {
  it('is two texts that weigh their answers alone, each with its end', () => {
    const { rows, length, masked, pair: found } = tokenize(pair('tell me', ' good', ' very bad'));
    const [row] = rows;
    const [chosen, rejected] = [row, row?.rejected] as [Text, Text];
    expect([textOf(chosen), textOf(rejected)]).toEqual(['tell me good<|endoftext|>', 'tell me very bad<|endoftext|>']);
    expect([answerOf(chosen), answerOf(rejected)]).toEqual([' good<|endoftext|>', ' very bad<|endoftext|>']);
    expect(new Set([...chosen.weights, ...rejected.weights])).toEqual(new Set([0, 1]));
    expect({ length, masked }).toEqual({ length: rejected.tokens.length, masked: false });
    expect(found).toEqual({
      lengths: [chosen.tokens.length, rejected.tokens.length],
      dropped: [0, 0],
      identical: false,
    });
  });

  it('goes through the chat template, with the scores as labels', () => {
    const messages = (answer: string) => [
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: answer },
    ];
    const chat = (answer: string) => ({ kind: 'chat', messages: messages(answer), promptMessages: 1 }) as const;
    const scored = { scores: [2, -1], margin: 0.5 } as const;
    const example: Example = { kind: 'preference', chosen: chat('yes'), rejected: chat('no'), ...scored };
    const [row] = tokenize(example).rows;
    expect(answerOf(row as Text)).toBe('yes<|im_end|>\n<|endoftext|>');
    expect(answerOf(row?.rejected as Text)).toBe('no<|im_end|>\n<|endoftext|>');
    expect([...(row?.labels ?? [])]).toEqual([2, -1]);
    expect(row?.margin).toBe(0.5);
    for (const bytes of [2, 4] as const) expect(decodeRow(encodeRow(row as Row, bytes), bytes)).toEqual(row);
  });

  it('keeps one prompt where it has to be cut, and says which answer is', () => {
    const prompt = 'p'.repeat(40);
    const { rows, pair: found, ...rest } = tokenize(pair(prompt, ' yes', ` ${'no'.repeat(20)}`), 32);
    const [chosen, rejected] = [rows[0], rows[0]?.rejected] as [Text, Text];
    const prompts = [chosen, rejected].map(({ tokens, weights }) => tokens.slice(0, weights.indexOf(1)).join());
    expect(prompts[0]).toBe(prompts[1]);
    expect(rejected.tokens).toHaveLength(32);
    expect(answerOf(chosen)).toBe(' yes<|endoftext|>');
    expect(found?.dropped[0]).toBe(0);
    expect(found?.dropped[1]).toBeGreaterThan(0);
    expect(rest.answerTokensDropped).toBe(found?.dropped[1]);
  });

  it('is told from one whose answers are the same, or missing', () => {
    expect(tokenize(pair('a', ' b', ' b')).pair?.identical).toBe(true);
    // What is cut may be all that told them apart.
    expect(tokenize(pair('a', ` ${'b'.repeat(40)}c`, ` ${'b'.repeat(40)}d`), 16).pair?.identical).toBe(true);
  });

  it('is kept on disk as it is', () => {
    const [row] = tokenize(pair('tell me', ' good', ' very bad')).rows;
    for (const bytes of [2, 4] as const) {
      for (const each of [row, { ...row, labels: Float32Array.of(2, -1) }] as NonNullable<typeof row>[]) {
        expect(decodeRow(encodeRow(each, bytes), bytes)).toEqual(each);
      }
    }
  });
});

it('a rated answer has 1 or 0 for a label', () => {
  const answer = { kind: 'pair', prompt: 'a', completion: ' b' } as const;
  const labels = [true, false].map((good) => tokenize({ kind: 'rated', answer, good }).rows[0]?.labels);
  expect(labels).toEqual([Float32Array.of(1), Float32Array.of(0)]);
});

it('a prompt ends where the model is to answer, and keeps its end where it is cut', () => {
  const prompt = [{ role: 'user', content: 'hello' }];
  const [row] = tokenize({ kind: 'prompt', prompt }).rows;
  expect(textOf(row as Text)).toBe(template?.render(prompt, { addGenerationPrompt: true }));
  const cut = tokenize({ kind: 'prompt', prompt: 'abcdefghij', expected: 'k' }, 4);
  expect(tokenizer.decode(cut.rows[0]?.expected ?? [])).toBe('k');
  for (const expected of [Int32Array.of(70, 4), new Int32Array()]) {
    const asked = { ...(row as Row), expected };
    expect(decodeRow(encodeRow(asked, 2), 2)).toEqual(asked);
  }
  expect([textOf(cut.rows[0] as Text), cut.promptTokensDropped]).toEqual(['ghij', 6]);
});
