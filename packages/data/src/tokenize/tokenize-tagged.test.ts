import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkData } from '../check/check-data.js';
import { collectLabels } from '../dataset/collect-labels.js';
import { createDataset } from '../dataset/dataset.js';
import { byteFallbackFiles, byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import type { LabelScheme } from '../format/label-scheme.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import { encodeWords } from './encode-words.js';

const labels: LabelScheme = { problemType: 'single-label', names: ['B-A', 'I-A', 'O'] };
const words = ['the', 'singing', 'and', 'the', 'cat'];

describe.each([
  ['bytes', createTokenizer(byteLevelFiles())],
  ['SentencePiece', createTokenizer(byteFallbackFiles())],
])('words in tokens of %s', (_, tokenizer) => {
  it('are written as in a text, and each is found at its first token', () => {
    const { tokens, starts, dropped } = encodeWords(tokenizer, words, 64);
    expect(tokenizer.decode(tokens, { skipSpecialTokens: true }).trim()).toBe(words.join(' '));
    const pieces = [...starts].map((start, word) =>
      tokenizer.decode(tokens.subarray(start, starts[word + 1] ?? tokens.length), { skipSpecialTokens: true }).trim(),
    );
    expect(pieces).toEqual(words);
    expect(dropped).toBe(0);
  });

  it('have no place where they are cut', () => {
    const whole = encodeWords(tokenizer, words, 64);
    const cut = encodeWords(tokenizer, words, (whole.starts[3] as number) + tokenizer.suffixIds.length);
    expect([...cut.starts]).toEqual([...whole.starts.subarray(0, 3), -1, -1]);
    expect(cut.dropped).toBeGreaterThan(0);
  });
});

describe('tagged rows', () => {
  const tokenizer = createTokenizer(byteLevelFiles());
  const write = async (rows: readonly object[]): Promise<string> => {
    const file = join(await mkdtemp(join(tmpdir(), 'tagged-')), 'rows.jsonl');
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    return file;
  };
  const options = { tokenizer, template: null, maxLength: 32, rows: 'tags', labels } as const;

  it('weigh where a word begins, and keep its tag by name or index, from the cache as well', async () => {
    const file = await write([{ tokens: ['the', 'singing'], ner_tags: ['O', 0] }]);
    for (const _ of ['built', 'cached']) {
      const dataset = await createDataset({ ...options, files: [file], cacheFolder: join(file, '../cache') });
      for await (const row of dataset.rows()) {
        const { starts } = encodeWords(tokenizer, ['the', 'singing'], 32);
        expect([...row.weights.keys()].filter((index) => row.weights[index] !== 0)).toEqual([...starts]);
        expect([...(row.labels ?? [])]).toEqual([2, 0]);
      }
    }
  });

  it('lose the tags of what is cut', async () => {
    const file = await write([{ words, tags: ['B-A', 'I-A', 'O', 'O', 'O'] }]);
    const [second] = [encodeWords(tokenizer, words, 32).starts[2] as number];
    const dataset = await createDataset({
      ...{ ...options, maxLength: second, files: [file], cacheFolder: join(file, '../cache') },
    });
    for await (const { labels: kept } of dataset.rows()) expect([...(kept ?? [])]).toEqual([0, 1]);
  });

  it('name the tags that they have, and what does not fit', async () => {
    const file = await write([
      { tokens: ['the'], tags: ['O'] },
      { tokens: ['the', 'and'], tags: ['O'] },
      { tokens: ['the'], tags: ['B-X'] },
      { tokens: ['the', 'and'], tags: ['I-A', 'B-A'] },
    ]);
    expect(await collectLabels([file], 'single-label', { rows: 'tags' })).toMatchObject({
      names: ['B-A', 'B-X', 'I-A', 'O'],
    });
    const { invalid, errors, labels: counted } = await checkData(file, options);
    expect({ invalid, counts: counted?.counts.map(({ count }) => count) }).toEqual({ invalid: 2, counts: [1, 1, 1] });
    expect(errors[0]).toMatch(/rows\.jsonl:2, column tags: .*expected a tag for each of 2 words, got "1 tags"/);
    expect(errors[1]).toMatch(/rows\.jsonl:3, column tags\[0\].*B-A, I-A, O/);
  });
});
