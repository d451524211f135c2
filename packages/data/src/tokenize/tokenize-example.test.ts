import { describe, expect, it } from 'vitest';
import { createChatTemplate, loadChatTemplate } from '../chat/chat-template.js';
import { byteFallbackFiles, byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import type { Example } from '../format/example.js';
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer.js';
import { encodePrompt } from './encode-spans.js';
import { type TokenizeOptions, tokenizeExample } from './tokenize-example.js';

const byteLevel = createTokenizer(byteLevelFiles());
const llama = createTokenizer(byteFallbackFiles());
const chatml = loadChatTemplate(byteLevel, 'chatml');

const pair = (prompt: string, completion: string): Example => ({ kind: 'pair', prompt, completion });

/** Runs of equal weight as text: the row as a person reads it. */
function read(tokenizer: Tokenizer, example: Example, options: Partial<TokenizeOptions> = {}) {
  const result = tokenizeExample(example, { tokenizer, template: null, maxLength: 4096, ...options });
  const runs = result.rows.map(({ tokens, weights }) => {
    const edges = [...weights.keys()].filter((index) => index === 0 || weights[index] !== weights[index - 1]);
    return edges.map((start, index): [number, string] => [
      Math.round((weights[start] as number) * 1000) / 1000,
      tokenizer.decode(tokens.slice(start, edges[index + 1])),
    ]);
  });
  return { ...result, runs };
}

describe('weights', () => {
  it('a text is trained as a whole and ends with eos, though eos also pads', () => {
    expect(byteLevel.padId).toBe(byteLevel.eosId);
    expect(read(byteLevel, { kind: 'text', text: '从前' }).runs[0]?.at(-1)).toEqual([
      1,
      expect.stringMatching(/前<\|endoftext\|>$/),
    ]);
    const { runs } = read(llama, { kind: 'text', text: 'the cat' });
    expect(runs).toEqual([
      [
        [0, '<s>'],
        [1, 'the cat</s>'],
      ],
    ]);
    const written = read(llama, { kind: 'text', text: '<s>the cat</s>' }).rows[0]?.tokens;
    expect(written?.filter((id) => id === llama.bosId || id === llama.eosId)).toHaveLength(2);
  });

  it('a prompt weighs promptLossWeight, 0.1 unless given; a completion and its eos 1', () => {
    expect(read(llama, pair('问: ', '答')).runs).toEqual([
      [
        [0, '<s>'],
        [0.1, '问: '],
        [1, '答</s>'],
      ],
    ]);
    expect(read(byteLevel, pair('is', ' ok'), { promptLossWeight: 0 }).runs).toEqual([
      [
        [0, 'is'],
        [1, ' ok<|endoftext|>'],
      ],
    ]);
    expect(read(byteLevel, pair('is', ' ok'), { promptLossWeight: 1 }).runs).toEqual([
      [
        [0, 'i'],
        [1, 's ok<|endoftext|>'],
      ],
    ]);
  });

  it('a chat weighs every answer with its end token, and nothing that only the template says', () => {
    const example: Example = {
      kind: 'chat',
      promptMessages: 0,
      messages: [
        { role: 'system', content: '你是助手' },
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: '你好' },
        { role: 'user', content: 'bye' },
        { role: 'assistant', content: '再见' },
      ],
    };
    const answersOf = (tokenizer: Tokenizer, options: Partial<TokenizeOptions>) =>
      read(tokenizer, example, { template: chatml, ...options }).runs[0]?.filter(([weight]) => weight === 1);
    // <|im_end|> ends a turn for this tokenizer only where its generation config says so.
    const ending = createTokenizer({ ...byteLevelFiles(), generationConfig: { eos_token_id: [0, 2] } });
    expect(answersOf(ending, {})).toEqual([
      [1, '你好<|im_end|>'],
      [1, '再见<|im_end|>'],
    ]);
    expect(answersOf(ending, { trainOnHistory: false })).toEqual([[1, '再见<|im_end|>']]);
    expect(answersOf(byteLevel, {})?.at(-1)).toEqual([1, '再见<|im_end|>\n<|endoftext|>']);
  });

  it('puts no eos where the conversation does not end with a trained answer', () => {
    const messages = ['a', 'b', 'c', 'd'].map((content, index) => ({
      role: index % 2 === 0 ? 'user' : 'assistant',
      content,
      ...(index === 3 && { weight: 0 }),
    }));
    const [row] = tokenizeExample(
      { kind: 'chat', promptMessages: 0, messages },
      { tokenizer: byteLevel, template: chatml, maxLength: 4096 },
    ).rows;
    expect(byteLevel.decode(row!.tokens)).toContain('assistant\nd<|im_end|>');
    expect(row!.tokens).not.toContain(byteLevel.eosId);
  });

  it('an instruction goes through the template where there is one, and is Alpaca’s text otherwise', () => {
    const turn = { instruction: '翻译', input: 'cat', output: '猫' };
    const example: Example = { kind: 'instruction', turns: [turn] };
    expect(
      read(byteLevel, example, { template: chatml })
        .runs[0]?.map(([, text]) => text)
        .join(''),
    ).toContain('<|im_start|>user\n翻译\ncat<|im_end|>\n<|im_start|>assistant\n猫<|im_end|>');
    const plain = read(llama, { ...example, turns: [{ ...turn, instruction: 'x', input: '' }, turn] }).runs[0];
    expect(plain?.map(([weight]) => weight)).toEqual([0, 0.1, 1, 0.1, 1]);
    expect(plain?.[1]?.[1]).toMatch(
      /^Below is an instruction that describes a task\. .*\n\n### Instruction:\nx\n\n### Response:\n$/s,
    );
    expect(plain?.[3]?.[1]).toBe('\n\n### Instruction:\n翻译\n\n### Input:\ncat\n\n### Response:\n');
    expect(plain?.[4]?.[1]).toBe('猫</s>');
    const last = read(llama, { ...example, turns: [turn, turn] }, { trainOnHistory: false }).runs[0];
    expect(last?.map(([weight]) => weight)).toEqual([0, 0.1, 1]);
    expect(last?.[1]?.[1]).toContain('猫</s>');
  });

  it('a conversation without a template is refused with its row', () => {
    const example: Example = { kind: 'chat', promptMessages: 0, messages: [], source: { file: 'a.jsonl', row: 9 } };
    expect(() => read(byteLevel, example)).toThrow(/DATA_INVALID at a\.jsonl:9: .*template: chatml/);
    const picky = createChatTemplate(byteLevel, "{{ raise_exception('no') }}", 'picky');
    expect(() => read(byteLevel, example, { template: picky })).toThrow(/a\.jsonl:9: .*the chat template refused: no/);
  });
});

describe('the edge between prompt and completion', () => {
  it('never moves: the prompt is encoded as at inference, whatever would merge across the edge', () => {
    // "\n\n" is one token, and so is "Ġthe": both would cross these edges.
    for (const [prompt, completion] of [
      ['a\n', '\nb'],
      ['say ', 'the'],
      ['say', ' the'],
      ['th', 'e'],
      ['你', '好'],
    ] as const) {
      for (const tokenizer of [byteLevel, llama]) {
        const { rows } = read(tokenizer, pair(prompt, completion));
        const { tokens, weights } = rows[0]!;
        const given = encodePrompt(tokenizer, prompt);
        expect([...tokens.slice(0, given.length)]).toEqual(given);
        expect(weights[given.length]).toBe(1);
        expect(given.length === 1 || weights[given.length - 1] !== 1).toBe(true);
        expect(tokenizer.decode(tokens, { skipSpecialTokens: true })).toBe(prompt + completion);
      }
    }
  });

  it('takes the natural tokens of the whole where none crosses it', () => {
    const { rows } = read(byteLevel, pair('say', ' the'));
    expect([...rows[0]!.tokens]).toEqual([...byteLevel.encode('say the'), byteLevel.eosId]);
  });
});

describe('truncation', () => {
  const ids = (text: string) => byteLevel.encode(text).length;
  const long = 'q'.repeat(40);

  it('cuts the prompt from the left and keeps the answer', () => {
    const result = read(byteLevel, pair(`${long}?`, 'yes'), { maxLength: 20 });
    expect(result.runs).toEqual([
      [
        [0, 'q'],
        [0.1, `${'q'.repeat(14)}?`],
        [1, 'yes<|endoftext|>'],
      ],
    ]);
    expect(result).toMatchObject({ length: 45, promptTokensDropped: 25, answerTokensDropped: 0, masked: false });
  });

  it('keeps a quarter for the prompt before it cuts the answer’s end, and counts it', () => {
    const result = read(byteLevel, pair(`${long}?`, long), { maxLength: 20 });
    expect(result.runs).toEqual([
      [
        [0, 'q'],
        [0.1, 'qqq?'],
        [1, 'q'.repeat(15)],
      ],
    ]);
    expect(result).toMatchObject({ promptTokensDropped: 36, answerTokensDropped: 26 });
    expect(read(llama, pair('a?', long), { maxLength: 20 }).runs[0]?.[0]).toEqual([0, '<s>']);
  });

  it('drops the oldest turns whole and keeps the system message while there is room', () => {
    const messages = ['one', 'two', 'three'].flatMap((word) => [
      { role: 'user', content: word },
      { role: 'assistant', content: word.toUpperCase() },
    ]);
    const example: Example = {
      kind: 'chat',
      promptMessages: 0,
      messages: [{ role: 'system', content: 'S' }, ...messages],
    };
    const whole = read(byteLevel, example, { template: chatml });
    const { rows, ...cut } = read(byteLevel, example, { template: chatml, maxLength: whole.length - 1 });
    const text = byteLevel.decode(rows[0]!.tokens);
    expect(text.startsWith('<|im_start|>system\nS<|im_end|>\n<|im_start|>user\ntwo<|im_end|>')).toBe(true);
    expect(text.endsWith('THREE<|im_end|>\n<|endoftext|>')).toBe(true);
    expect(cut.promptTokensDropped + cut.answerTokensDropped).toBe(whole.length - rows[0]!.tokens.length);
    expect(cut.answerTokensDropped).toBe(ids('ONE<|im_end|>\n'));
    const tiny = read(byteLevel, example, { template: chatml, maxLength: 16 });
    expect(byteLevel.decode(tiny.rows[0]!.tokens)).not.toContain('system');
    expect(tiny.rows[0]!.tokens).toHaveLength(16);
  });

  it('says when nothing of an answer is left or was there', () => {
    const example: Example = {
      kind: 'chat',
      promptMessages: 0,
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b', weight: 0 },
      ],
    };
    expect(read(byteLevel, example, { template: chatml }).masked).toBe(true);
    expect(read(byteLevel, pair('a', 'b')).masked).toBe(false);
  });

  it('splits a long text into rows that predict every token once', () => {
    const { rows, length, masked } = read(llama, { kind: 'text', text: 'the cat and the dog' }, { maxLength: 5 });
    const whole = read(llama, { kind: 'text', text: 'the cat and the dog' }).rows[0]!;
    expect(masked).toBe(false);
    expect(Math.max(...rows.map(({ tokens }) => tokens.length))).toBe(5);
    expect(rows.flatMap(({ tokens, weights }) => [...tokens].filter((_, index) => weights[index] === 1))).toEqual([
      ...whole.tokens.slice(1),
    ]);
    for (const [index, { tokens }] of rows.slice(1).entries()) expect(tokens[0]).toBe(rows[index]!.tokens.at(-1));
    const cut = read(llama, { kind: 'text', text: 'the cat and the dog' }, { maxLength: 5, longText: 'truncate' });
    expect(cut.rows).toHaveLength(1);
    expect(cut.answerTokensDropped).toBe(length - 5);
  });
});

it.each([
  [{ promptLossWeight: 1.5 }, /CONFIG_INVALID at promptLossWeight.*0\.\.1, got 1\.5/],
  [{ promptLossWeight: Number.NaN }, /promptLossWeight/],
  [{ maxLength: 1 }, /CONFIG_INVALID at maxLength/],
])('refuses %j', (options, message) => {
  expect(() => read(byteLevel, pair('a', 'b'), options)).toThrow(message);
});
