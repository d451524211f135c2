import { mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Row } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { checkData } from '../check/check-data.js';
import { byteFallbackFiles } from '../fixtures/tiny-tokenizers.js';
import type { LabelScheme } from '../format/label-scheme.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import { collectLabels } from './collect-labels.js';
import { createDataset, type DatasetOptions } from './dataset.js';

const special = (id: string, type: number) => ({ SpecialToken: { id, type_id: type } });
const text = (id: string, type: number) => ({ Sequence: { id, type_id: type } });
/** `<s> a </s>` and `<s> a </s> b </s>`, the second of type 1. */
const template = {
  type: 'TemplateProcessing',
  single: [special('<s>', 0), text('A', 0), special('</s>', 0)],
  pair: [special('<s>', 0), text('A', 0), special('</s>', 0), text('B', 1), special('</s>', 1)],
  special_tokens: Object.fromEntries(['<s>', '</s>'].map((id, index) => [id, { id, ids: [index + 1], tokens: [id] }])),
};
const files = byteFallbackFiles();
const tokenizer = createTokenizer({
  ...files,
  tokenizerJson: { ...files.tokenizerJson, post_processor: template },
  tokenizerConfig: { bos_token: '<s>', eos_token: '</s>' },
});
const bare = (words: string): number[] => tokenizer.encode(words, { addSpecialTokens: false });
const labels: LabelScheme = { problemType: 'single-label', names: ['bad', 'good'] };

async function write(name: string, lines: readonly string[]): Promise<string> {
  const file = path.join(await mkdtemp(path.join(os.tmpdir(), 'labelled-')), name);
  await writeFile(file, lines.join('\n'));
  return file;
}

async function rowsOf(file: string, changes: Partial<DatasetOptions> = {}): Promise<Row[]> {
  const cacheFolder = path.join(path.dirname(file), 'cache');
  const dataset = await createDataset({
    files: [file],
    cacheFolder,
    tokenizer,
    template: null,
    maxLength: 20,
    ...changes,
  });
  const rows: Row[] = [];
  for await (const row of dataset.rows()) rows.push(row);
  return rows;
}

describe('labelled rows', () => {
  it('come back from the cache with labels and token types, and keep the label whatever is cut', async () => {
    const pair = (text2: string, label: unknown) => JSON.stringify({ text1: 'the cat', text2, label });
    const file = await write('pairs.jsonl', [pair('is', 'good'), pair('the dog is in the sea and sings', 0)]);
    for (const _ of ['built', 'cached']) {
      const [first, second] = await rowsOf(file, { labels });
      const [a, b] = [bare('the cat'), bare('is')];
      expect([...(first?.tokens ?? [])]).toEqual([1, ...a, 2, ...b, 2]);
      expect([...(first?.tokenTypes ?? [])]).toEqual([0, ...a.map(() => 0), 0, ...b.map(() => 1), 1]);
      expect(first?.weights.every((weight) => weight === 0)).toBe(true);
      expect(first?.labels).toEqual(Float32Array.of(1));
      expect(second?.tokens).toHaveLength(20);
      expect(second?.labels).toEqual(Float32Array.of(0));
    }
  });

  it('are read from tab-separated lines without names, as a file of their own options', async () => {
    const file = await write('sst2.tsv', ['a "fine" film\t1', 'a dull one\t0', 'fine\tbad']);
    const header = ['sentence', 'label'];
    const rows = await rowsOf(file, { labels, header });
    expect(rows.map((row) => row.labels?.[0])).toEqual([1, 0, 0]);
    expect(tokenizer.decode(rows[0]?.tokens ?? [])).toBe('<s> a "fine" film</s>');
    const turned = await rowsOf(file, { labels: { ...labels, names: ['good', 'bad'] }, header });
    expect(turned.map((row) => row.labels?.[0])).toEqual([1, 0, 1]);
    await expect(rowsOf(await write('wrong.tsv', ['a\t1', 'b\t2']), { labels, header })).rejects.toThrow(
      /wrong\.tsv:2, column label: .*expected one of bad, good, or an index up to 1.*got "2"/,
    );
  });

  it('are counted by label, and reported where they do not fit', async () => {
    const file = await write('some.csv', ['text,label', 'a,good', 'b,good', 'c,bad', 'd,ugly']);
    const check = await checkData(file, { tokenizer, template: null, maxLength: 12, labels });
    expect(check).toMatchObject({ format: 'labelled', invalid: 1, report: { examples: 3, masked: 0 } });
    expect(check.labels?.counts).toEqual([
      { label: 'bad', count: 1 },
      { label: 'good', count: 2 },
    ]);
    const scores = await write('scores.csv', ['text,score', 'a,1', 'b,2.5']);
    const likeness: LabelScheme = { problemType: 'regression', names: ['target'] };
    const { labels: found } = await checkData(scores, { tokenizer, template: null, maxLength: 12, labels: likeness });
    expect(found?.targets).toEqual([{ label: 'target', min: 1, mean: 1.75, max: 2.5 }]);
  });
});

describe('collectLabels', () => {
  it('finds names in their order, and counts whole numbers up to the greatest', async () => {
    const named = await write('named.jsonl', ['{"text": "a", "label": "war"}', '{"text": "b", "label": "art"}']);
    expect((await collectLabels([named], 'single-label')).names).toEqual(['art', 'war']);
    const several = await write('several.jsonl', [
      '{"text": "a", "labels": ["sea", "war"]}',
      '{"text": "b", "labels": []}',
    ]);
    expect((await collectLabels([several], 'multi-label')).names).toEqual(['sea', 'war']);
    const numbered = await write('numbered.tsv', ['a\t0', 'b\t2']);
    expect((await collectLabels([numbered], 'single-label', { header: ['text', 'label'] })).names).toEqual([
      'LABEL_0',
      'LABEL_1',
      'LABEL_2',
    ]);
    expect((await collectLabels([numbered], 'regression')).names).toEqual(['target']);
  });
});

describe('whole texts', () => {
  it('stand in the template, split where they are long, each piece in a template of its own', async () => {
    const file = await write('story.txt', ['the cat is in the sea and sings and is']);
    const rows = await rowsOf(file, { wholeTexts: true, maxLength: 8 });
    expect(rows.length).toBeGreaterThan(2);
    for (const { tokens } of rows) {
      expect([tokens.at(0), tokens.at(-1)]).toEqual([1, 2]);
      expect(tokens.length).toBeLessThanOrEqual(8);
    }
    const all = rows.flatMap(({ tokens }) => [...tokens.slice(1, -1)]);
    expect(all).toEqual(bare('the cat is in the sea and sings and is'));
    expect(await rowsOf(file, { wholeTexts: true, maxLength: 8, longText: 'truncate' })).toHaveLength(1);
  });

  it('are no prompts and answers', async () => {
    const file = await write('pairs.jsonl', ['{"prompt": "a", "completion": "b"}']);
    await expect(rowsOf(file, { wholeTexts: true })).rejects.toThrow(
      /pairs\.jsonl:1: hidden tokens are learnt from plain texts/,
    );
  });
});
