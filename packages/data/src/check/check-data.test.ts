import { mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { loadChatTemplate } from '../chat/chat-template.js';
import { byteFallbackFiles, byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import { tokenizeExample } from '../tokenize/tokenize-example.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import { checkData } from './check-data.js';
import { lengthHistogram } from './length-histogram.js';
import { weightedText } from './weighted-text.js';

const tokenizer = createTokenizer(byteLevelFiles());

async function write(name: string, rows: readonly unknown[]): Promise<string> {
  const file = path.join(await mkdtemp(path.join(os.tmpdir(), 'check-')), name);
  await writeFile(file, rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n'));
  return file;
}

it('reports the whole file: format, lengths, what is cut, masked, twice or wrong, and one example', async () => {
  const chat = (answer: string, weight?: number) => ({
    messages: [
      { role: 'user', content: '你好吗' },
      { role: 'assistant', content: answer, ...(weight !== undefined && { weight }) },
    ],
  });
  const file = await write('chats.jsonl', [
    chat('b', 0),
    chat('很好🙂'),
    chat('很好🙂'),
    { messages: 5 },
    chat('答'.repeat(40)),
  ]);
  const options = { tokenizer, template: loadChatTemplate(tokenizer, 'chatml'), maxLength: 64 };
  const check = await checkData(file, options);
  expect(check).toMatchObject({
    file,
    format: 'messages',
    report: { examples: 4, rows: 3, masked: 1, maskedExamples: [`${file}:1`], truncatedAnswers: 1 },
    invalid: 1,
    errors: [expect.stringMatching(/DATA_INVALID at .*chats\.jsonl:4, column messages/)],
    duplicates: 1,
    duplicateExamples: [`${file}:3`],
  });
  expect(check.report.truncatedExamples).toEqual([`${file}:5`]);
  expect(check.lengths.bins.reduce((sum, { count }) => sum + count, 0)).toBe(4);
  expect(check.lengths.max).toBe(check.report.longest);
  expect(check.example?.source).toBe(`${file}:2`);
  expect(check.example?.spans.map(({ text, weight }) => [text, Math.fround(weight)])).toEqual([
    ['<|im_start|>', 0],
    ['user\n你好吗<|im_end|>\n<|im_start|>assistant\n', Math.fround(0.1)],
    ['很好🙂<|im_end|>\n<|endoftext|>', 1],
  ]);
  expect(JSON.parse(JSON.stringify(check))).toEqual(check);
});

it('reads Chinese instructions as LLaMA-Factory writes them: one indented array, empty inputs', async () => {
  const rows = [
    { instruction: '用一句话解释什么是潮汐。', input: '', output: '潮汐是海水因月亮和太阳的引力而定时涨落。' },
    { instruction: '把下面的句子译成英文。', input: '今天下雨🌧。', output: 'It is raining today.\n\n（意译）' },
  ];
  const file = path.join(await mkdtemp(path.join(os.tmpdir(), 'check-')), 'zh.json');
  await writeFile(file, JSON.stringify(rows, null, 2));
  for (const template of [null, loadChatTemplate(tokenizer, 'chatml')]) {
    const check = await checkData(file, { tokenizer, template, maxLength: 512 });
    expect(check).toMatchObject({ format: 'alpaca', invalid: 0, duplicates: 0, unknownTokens: 0 });
    expect(check.report).toMatchObject({ examples: 2, rows: 2, masked: 0, truncatedAnswers: 0, truncatedExamples: [] });
    const trained = check.example?.spans.filter(({ weight }) => weight === 1).map(({ text }) => text);
    expect(trained?.join('')).toMatch(/^潮汐是海水因月亮和太阳的引力而定时涨落。<\|/);
    expect(check.example?.spans.map(({ text }) => text).join('')).toContain('用一句话解释什么是潮汐。');
  }
});

it('reports what was found before a file breaks off', async () => {
  const file = await write('cut.jsonl', [{ text: 'a' }, '{"text": "b']);
  const check = await checkData(file, { tokenizer, template: null, maxLength: 64 }).catch((error: Error) => error);
  // The format is found from the first rows, which already meet the broken one.
  expect(check).toMatchObject({ message: expect.stringMatching(/cut\.jsonl:2: not JSON/) });
  const late = await write('late.jsonl', [...Array.from({ length: 30 }, (_, n) => ({ text: `a${n}` })), '{"text": "b']);
  const found = await checkData(late, { tokenizer, template: null, maxLength: 64 });
  expect(found).toMatchObject({
    report: { examples: 30 },
    invalid: 1,
    errors: [expect.stringMatching(/:31: not JSON/)],
  });
});

it('bins lengths by doubling, with quantiles that occur', () => {
  expect(lengthHistogram([20, 3, 33, 40, 130])).toEqual({
    min: 3,
    median: 33,
    p95: 130,
    max: 130,
    bins: [
      { from: 1, to: 15, count: 1 },
      { from: 16, to: 31, count: 1 },
      { from: 32, to: 63, count: 2 },
      { from: 64, to: 127, count: 0 },
      { from: 128, to: 255, count: 1 },
    ],
  });
  expect(lengthHistogram([])).toEqual({ min: 0, median: 0, p95: 0, max: 0, bins: [] });
});

it('counts what the tokenizer cannot write', async () => {
  const { tokenizerJson, ...files } = byteFallbackFiles();
  const model = { ...(tokenizerJson.model as object), byte_fallback: false };
  const narrow = createTokenizer({ ...files, tokenizerJson: { ...tokenizerJson, model } });
  const options = { template: null, maxLength: 64 };
  const file = await write('text.jsonl', [{ text: 'a猫b' }, { text: 'cat' }]);
  expect((await checkData(file, { ...options, tokenizer: narrow })).unknownTokens).toBe(1);
  expect((await checkData(file, { ...options, tokenizer: createTokenizer(byteFallbackFiles()) })).unknownTokens).toBe(
    0,
  );
});

it('shows a row whole, also where a tokenizer drops the space that a text begins with', () => {
  const llama = createTokenizer(byteFallbackFiles());
  const example = { kind: 'pair', prompt: 'say', completion: ' the 猫' } as const;
  const [row] = tokenizeExample(example, { tokenizer: llama, template: null, maxLength: 64 }).rows;
  const spans = weightedText(row!, llama);
  expect(spans.map(({ text }) => text)).toEqual(['<s>', ' say', ' the 猫</s>']);
  expect(spans.map(({ text }) => text).join('')).toBe(llama.decode(row!.tokens));
});
