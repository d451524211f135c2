import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import { detectFormat, type FormatOptions } from './detect-format.js';
import { parseRow } from './formats.js';
import type { LabelScheme } from './label-scheme.js';

const tone: LabelScheme = { problemType: 'single-label', names: ['bad', 'good'] };
const topics: LabelScheme = { problemType: 'multi-label', names: ['art', 'war', 'sea'] };
const likeness: LabelScheme = { problemType: 'regression', names: ['target'] };
const source = { file: 'rows.jsonl', row: 3 };

function parse(row: JsonObject, labels: LabelScheme, options: FormatOptions = {}) {
  const format = detectFormat([row], source.file, { labels, ...options });
  const { source: _, ...example } = parseRow(row, format, source, format.columns, labels);
  return { format: format.name, ...example };
}

describe('columns', () => {
  it.each<[JsonObject, string, string[]]>([
    [{ text: 'a', label: 1 }, 'labelled', ['a']],
    [{ sentence: 'a', label: 1, idx: 4 }, 'labelled', ['a']],
    [{ review: 'a', labels: 1 }, 'labelled', ['a']],
    [{ text1: 'a', text2: 'b', label: 1 }, 'labelled-pair', ['a', 'b']],
    [{ sentence1: 'a', sentence2: 'b', label: 1 }, 'labelled-pair', ['a', 'b']],
    [{ premise: 'a', hypothesis: 'b', label: 1 }, 'labelled-pair', ['a', 'b']],
    [{ question: 'a', sentence: 'b', label: 1 }, 'labelled-pair', ['a', 'b']],
  ])('%j are known', (row, format, texts) => {
    expect(parse(row, tone)).toMatchObject({ format, kind: 'labelled', texts });
  });

  it('are mapped, all or some of them', () => {
    expect(parse({ body: 'a', tone: 'good' }, tone, { columns: { text: 'body', label: 'tone' } })).toMatchObject({
      texts: ['a'],
      labels: Float32Array.of(1),
    });
    expect(parse({ sentence: 'a', tone: 'good' }, tone, { columns: { label: 'tone' } }).format).toBe('labelled');
  });

  it('are words to learn where no labels are', () => {
    const row = { text: 'a', label: 'good' };
    expect(detectFormat([row], source.file).name).toBe('text');
    expect(() => detectFormat([row], source.file, { format: 'labelled' })).toThrow(
      'CONFIG_INVALID at data.format: the format labelled is for labels to learn; expected messages, sharegpt',
    );
    expect(() => detectFormat([row], source.file, { format: 'text', labels: tone })).toThrow(
      'the format text is for answers to learn; expected labelled-pair, labelled.',
    );
  });

  it('that fit nothing are named, with a map for those that are near', () => {
    expect(() => parse({ tweet: 'a', sentiment: 1 }, tone)).toThrow(
      /fit no data format; expected labelled-pair \(text1, text2, label\); labelled \(text, label\), got the columns tweet, sentiment.*columns: \{ text: tweet, label: sentiment \}/s,
    );
    expect(() => parse({ x: 'a', y: 1 }, tone)).toThrow('A file without a line of names needs data.header.');
  });
});

describe('labels', () => {
  it.each<[unknown, number]>([
    ['good', 1],
    [' bad ', 0],
    [1, 1],
    ['0', 0],
    [true, 1],
  ])('%j is a class by its name or its index', (label, index) => {
    expect(parse({ text: 'a', label }, tone)).toMatchObject({ labels: Float32Array.of(index) });
  });

  it('are names before they are indices', () => {
    const stars: LabelScheme = { problemType: 'single-label', names: ['1', '2', '3'] };
    expect(parse({ text: 'a', label: 2 }, stars)).toMatchObject({ labels: Float32Array.of(1) });
  });

  it.each<[unknown, number[]]>([
    [
      ['art', 'sea'],
      [1, 0, 1],
    ],
    ['["war"]', [0, 1, 0]],
    ['sea', [0, 0, 1]],
    [
      [2, 2],
      [0, 0, 1],
    ],
    [[], [0, 0, 0]],
    ['', [0, 0, 0]],
  ])('%j are any number of them', (label, numbers) => {
    expect(parse({ text: 'a', label }, topics)).toMatchObject({ labels: Float32Array.from(numbers) });
  });

  it.each<[unknown, number[]]>([
    [0.25, [0.25]],
    ['-3', [-3]],
    [[4], [4]],
  ])('%j is a number', (score, numbers) => {
    expect(parse({ sentence1: 'a', sentence2: 'b', score }, likeness)).toMatchObject({
      labels: Float32Array.from(numbers),
    });
  });

  it.each<[unknown, LabelScheme, string]>([
    [
      'goood',
      tone,
      'column label: the row does not fit the format; expected one of bad, good, or an index up to 1 (Did you mean good?), got "goood"',
    ],
    [-1, tone, 'expected one of bad, good, or an index up to 1, got -1'],
    [null, tone, 'got null'],
    [['art', 'sky'], topics, 'rows.jsonl:3, column label[1]: '],
    ['many', likeness, 'expected a number, got "many"'],
    ['', likeness, 'expected a number, got ""'],
    [[1, 2], likeness, 'expected a number, got [1,2]'],
  ])('%j is none, which is said with file, row and column', (label, scheme, message) => {
    expect(() => parse({ text: 'a', label }, scheme)).toThrow(message);
  });
});
