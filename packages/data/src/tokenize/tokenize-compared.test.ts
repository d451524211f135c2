import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkData } from '../check/check-data.js';
import { createDataset, type DatasetOptions } from '../dataset/dataset.js';
import { byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import { detectFormat } from '../format/detect-format.js';
import { packRows } from '../pack/pack-rows.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';

const tokenizer = createTokenizer(byteLevelFiles());
const options = { tokenizer, template: null, maxLength: 32 } as const;

async function write(name: string, content: string | readonly object[]): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'compared-')), name);
  await writeFile(file, typeof content === 'string' ? content : content.map((row) => JSON.stringify(row)).join('\n'));
  return file;
}

/** The texts of a file's rows, and their scores. */
async function read(file: string, more: Partial<DatasetOptions>) {
  const dataset = await createDataset({ ...options, ...more, files: [file], cacheFolder: join(file, '../cache') });
  const found: { texts: string[]; score: number | undefined }[] = [];
  const decode = (tokens: Int32Array) => tokenizer.decode(tokens, { skipSpecialTokens: true }).trim();
  for await (const { tokens, compared = [], labels } of dataset.rows()) {
    found.push({ texts: [tokens, ...compared.map((each) => each.tokens)].map(decode), score: labels?.[0] });
  }
  return found;
}

describe('texts and what each is alike', () => {
  const rows = 'positives';
  it.each([
    ['anchor and positive', [{ anchor: 'the cat', positive: 'a cat' }], ['the cat', 'a cat']],
    ['a query', [{ query: 'cat?', positive: 'the cat' }], ['cat?', 'the cat']],
    ['a question', [{ question: 'cat?', answer: 'the cat' }], ['cat?', 'the cat']],
    ['a negative', [{ anchor: 'a', positive: 'b', negative: 'c' }], ['a', 'b', 'c']],
    ['numbered ones', [{ anchor: 'a', positive: 'b', negative_2: 'd', negative_1: 'c' }], ['a', 'b', 'c', 'd']],
    ['a list of them', [{ anchor: 'a', positive: 'b', negatives: ['c', 'd'] }], ['a', 'b', 'c', 'd']],
    ['none where it is empty', [{ anchor: 'a', positive: 'b', negative: '' }], ['a', 'b']],
  ])('may be %s, from the cache as well', async (_, given, texts) => {
    const file = await write('rows.jsonl', given);
    for (const __ of ['built', 'cached']) expect(await read(file, { rows })).toEqual([{ texts, score: undefined }]);
  });

  it('may be columns of a table, and be mapped', async () => {
    const file = await write('rows.csv', 'title,body,hard\nthe cat,a cat,a dog\nthe log,a log,\n');
    const columns = { anchor: 'title', positive: 'body', negative: 'hard' };
    expect((await read(file, { rows, columns })).map(({ texts }) => texts)).toEqual([
      ['the cat', 'a cat', 'a dog'],
      ['the log', 'a log'],
    ]);
  });

  it('name the row that does not fit, and what a mapping could be', async () => {
    const file = await write('rows.jsonl', [
      { anchor: 'a', positive: 'b' },
      { anchor: ' ', positive: 'b' },
      { anchor: 'a', positive: 3 },
      { anchor: 'a', positive: 'b', negatives: ['c', ''] },
    ]);
    const { errors, invalid, report, example, format } = await checkData(file, { ...options, rows });
    expect({ invalid, format, examples: report.examples }).toEqual({
      invalid: 3,
      format: 'anchor-positive',
      examples: 1,
    });
    expect(errors[0]).toMatch(/rows\.jsonl:2, column anchor: .*expected a text that is not empty/);
    expect(errors[1]).toMatch(/rows\.jsonl:3, column positive/);
    expect(errors[2]).toMatch(/rows\.jsonl:4, column negatives\[1\]/);
    expect(example).toMatchObject({ compared: ['b'] });
    expect(() => detectFormat([{ title: 'a', body: 'b' }], 'x.jsonl', { rows })).toThrow(
      /expected anchor-positive \(anchor, positive\).*columns: \{ anchor: title, positive: body \}/,
    );
  });

  it('are each cut by themselves, and tell rows apart by all of their texts', async () => {
    const long = 'the cat '.repeat(20);
    const file = await write('rows.jsonl', [
      { anchor: 'the cat', positive: long },
      { anchor: 'the cat', positive: 'a' },
      { anchor: 'the cat', positive: 'a' },
    ]);
    const check = await checkData(file, { ...options, rows });
    expect(check).toMatchObject({ duplicates: 1, report: { truncatedPrompts: 1, longest: check.lengths.max } });
    const dataset = await createDataset({ ...options, rows, files: [file], cacheFolder: join(file, '../cache') });
    for await (const { compared } of dataset.rows()) {
      expect(compared?.[0]?.tokens.length).toBeLessThanOrEqual(32);
      expect(() =>
        packRows([{ tokens: Int32Array.of(1), weights: new Float32Array(1), compared: compared ?? [] }], 8),
      ).toThrow(/texts that are compared/);
    }
  });
});

describe('pairs and how alike they are', () => {
  const rows = 'similarities';
  it.each([
    [[{ sentence1: 'a', sentence2: 'b', score: 0.5 }]],
    [[{ text1: 'a', text2: 'b', label: '0.5' }]],
    [[{ sentence1: 'a', sentence2: 'b', similarity: 0.5 }]],
  ])('are read from %j', async (given) => {
    expect(await read(await write('rows.jsonl', given), { rows })).toEqual([{ texts: ['a', 'b'], score: 0.5 }]);
  });

  it('need a number', async () => {
    const file = await write('rows.jsonl', [{ sentence1: 'a', sentence2: 'b', score: 'high' }]);
    const { errors } = await checkData(file, { ...options, rows });
    expect(errors).toEqual([expect.stringMatching(/rows\.jsonl:1, column score: .*expected a number, got "high"/)]);
  });
});

it('are taken for nothing else, and nothing else for them', () => {
  const pair = [{ anchor: 'a', positive: 'b' }];
  const scoredPair = [{ sentence1: 'a', sentence2: 'b', score: 1 }];
  const formatOf = (given: object[], rows: Parameters<typeof detectFormat>[2]) =>
    detectFormat(given as never, 'x.jsonl', rows).name;
  expect(() => formatOf(pair, {})).toThrow(/fit no data format/);
  expect(() => formatOf(scoredPair, { rows: 'positives' })).toThrow(/expected anchor-positive/);
  expect(() => formatOf(pair, { rows: 'similarities' })).toThrow(/expected scored-pair/);
  const labels = { problemType: 'regression', names: ['target'] } as const;
  expect(formatOf(scoredPair, { labels })).toBe('labelled-pair');
  expect(formatOf([{ question: 'a', answer: 'b', prompt: 'a', completion: 'b' }], {})).toBe('prompt-completion');
  expect(() => formatOf([{ prompt: 'a', chosen: 'b', rejected: 'c' }], { rows: 'positives' })).toThrow(/fit no/);
});
