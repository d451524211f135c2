import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import { detectFormat, type FormatOptions } from './detect-format.js';
import { parseRow } from './formats.js';

const source = { file: 'rows.jsonl', row: 3 };
const parse = (row: JsonObject, options: FormatOptions) => {
  const format = detectFormat([row], source.file, options);
  const { source: _, ...example } = parseRow(row, format, source, format.columns);
  return { format: format.name, ...example };
};
const pair = (row: JsonObject) => parse(row, { rows: 'preferences' });
const rated = (row: JsonObject) => parse(row, { rows: 'ratings' });
const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const chat = (prompt: readonly object[], answer: readonly object[]) => ({
  kind: 'chat',
  messages: [...prompt, ...answer],
  promptMessages: prompt.length,
});

describe('a pair of answers', () => {
  it('has its prompt in a column, as text or as messages, also from a CSV cell', () => {
    expect(pair({ prompt: 'a', chosen: ' b', rejected: ' c' })).toEqual({
      format: 'preference',
      kind: 'preference',
      chosen: { kind: 'pair', prompt: 'a', completion: ' b' },
      rejected: { kind: 'pair', prompt: 'a', completion: ' c' },
    });
    const [prompt, chosen, rejected] = [[user('a')], [assistant('b')], [assistant('c')]];
    const expected = { kind: 'preference', chosen: chat(prompt, chosen), rejected: chat(prompt, rejected) };
    expect(pair({ prompt, chosen, rejected })).toMatchObject(expected);
    const texts = [prompt, chosen, rejected].map((each) => JSON.stringify(each));
    expect(pair({ prompt: texts[0], chosen: texts[1], rejected: texts[2] })).toMatchObject(expected);
    expect(pair({ prompt, chosen: assistant('b'), rejected: 'c' })).toMatchObject(expected);
  });

  it('has its prompt at the beginning of both texts, up to where a word begins', () => {
    const both = (chosen: string, rejected: string) => {
      const found = pair({ chosen, rejected }) as unknown as Record<'chosen' | 'rejected', Record<string, string>>;
      return [found.chosen.prompt, found.chosen.completion, found.rejected.completion];
    };
    expect(both('Q: sky? A: blue', 'Q: sky? A: red')).toEqual(['Q: sky? A:', ' blue', ' red']);
    expect(both('Q: sky? A: think', 'Q: sky? A: thought')).toEqual(['Q: sky? A:', ' think', ' thought']);
    expect(both('天空是蓝色', '天空是红色')).toEqual(['天空是', '蓝色', '红色']);
    expect(both('same', 'same')).toEqual(['same', '', '']);
    const [shared, chosen, rejected] = [[user('a'), assistant('b'), user('c')], assistant('d'), assistant('e')];
    expect(pair({ chosen: [...shared, chosen], rejected: [...shared, rejected] })).toMatchObject({
      chosen: chat(shared, [chosen]),
      rejected: chat(shared, [rejected]),
    });
    // Of equal conversations, the last message is the answer.
    expect(pair({ chosen: [...shared, chosen], rejected: [...shared, chosen] })).toMatchObject({
      rejected: chat(shared, [chosen]),
    });
  });

  it("is LLaMA-Factory's ranking form of ShareGPT and Alpaca", () => {
    const conversations = [{ from: 'human', value: 'a' }];
    const [chosen, rejected] = [
      { from: 'gpt', value: 'b' },
      { from: 'gpt', value: 'c' },
    ];
    expect(pair({ conversations, system: 's', chosen, rejected })).toMatchObject({
      format: 'preference-sharegpt',
      chosen: chat([{ role: 'system', content: 's' }, user('a')], [assistant('b')]),
      rejected: { promptMessages: 2 },
    });
    expect(pair({ instruction: 'i', input: 'x', chosen: 'b', rejected: 'c', history: [['q', 'a']] })).toMatchObject({
      format: 'preference-alpaca',
      chosen: { kind: 'instruction', turns: [{ output: 'a' }, { instruction: 'i', input: 'x', output: 'b' }] },
      rejected: { turns: [{ output: 'a' }, { output: 'c' }] },
    });
  });

  it('keeps its scores, and why one was rejected', () => {
    const row = { prompt: 'a', chosen: 'b', rejected: 'c' };
    expect(pair({ ...row, score_chosen: 8.5, score_rejected: '3', reject_reason: 'rude' })).toMatchObject({
      scores: [8.5, 3],
      reason: 'rude',
    });
    expect(pair({ ...row, margin: '0.5' })).toMatchObject({ margin: 0.5 });
    expect(pair({ ...row, score_chosen: 8.5 })).not.toHaveProperty('scores');
    expect(() => pair({ ...row, score_chosen: 'good', score_rejected: 1 })).toThrow(
      /rows\.jsonl:3, column score_chosen: .*a number, got "good"/,
    );
  });

  it('needs an answer of the assistant on both sides', () => {
    expect(() => pair({ prompt: [user('a')], chosen: [assistant('b')], rejected: [user('c')] })).toThrow(
      /column rejected: .*a message of the assistant/,
    );
  });
});

describe('a rated answer', () => {
  it.each([
    ['rated', { prompt: 'a', completion: 'b', label: true }, { kind: 'pair', prompt: 'a', completion: 'b' }],
    ['rated-messages', { messages: [user('a'), assistant('b')], label: 1 }, chat([user('a')], [assistant('b')])],
    [
      'rated-sharegpt',
      {
        conversations: [
          { from: 'human', value: 'a' },
          { from: 'gpt', value: 'b' },
        ],
        kto_tag: 'True',
      },
      chat([user('a')], [assistant('b')]),
    ],
    ['rated-alpaca', { instruction: 'a', output: 'b', kto_tag: true }, { kind: 'instruction' }],
  ])('%s', (format, row: JsonObject, answer) => {
    expect(rated(row)).toMatchObject({ format, kind: 'rated', good: true, answer });
    const tag = 'label' in row ? 'label' : 'kto_tag';
    expect(rated({ ...row, [tag]: false })).toMatchObject({ good: false });
    expect(() => rated({ ...row, [tag]: 'maybe' })).toThrow(
      /true for a good answer or false for a bad one, got "maybe"/,
    );
  });
});

it('prompts are taken alone, with what is expected of their answers', () => {
  for (const answer of ['4', 4]) {
    expect(parse({ prompt: 'a', answer }, { rows: 'prompts' })).toEqual({
      ...{ format: 'prompt', kind: 'prompt', prompt: 'a', expected: '4' },
    });
  }
  expect(parse({ prompt: [user('a')] }, { rows: 'prompts' })).toMatchObject({ prompt: [user('a')] });
});

describe('rows for another purpose', () => {
  it('are refused by name, and not detected', () => {
    expect(() => detectFormat([{ text: 'a' }], 'f', { rows: 'preferences' })).toThrow(
      /fit no data format; expected preference-sharegpt \(conversations, chosen, rejected\); .*got the columns text/,
    );
    expect(() => detectFormat([{}], 'f', { rows: 'preferences', format: 'alpaca' })).toThrow(
      'the format alpaca is for answers to learn; expected preference-sharegpt, preference-alpaca, preference.',
    );
    expect(() => detectFormat([{ chosen: 'a', rejected: 'b' }], 'f', { format: 'preference' })).toThrow(
      'the format preference is for answers that are preferred to others',
    );
  });
});
