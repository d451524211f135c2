/** BLEU and ROUGE-L against sacrebleu and rouge-score. Recorded by record_text_metrics.py. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bleu, exactMatch, rougeL } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { fixtures } from './fixture-values.js';

interface Corpus {
  readonly texts: string[];
  readonly references: string[];
  readonly bleu: number;
  readonly rougeL: number;
}
const corpora = JSON.parse(readFileSync(join(fixtures, 'text-metrics/expected.json'), 'utf8')) as Record<
  string,
  Corpus
>;

describe.each(Object.entries(corpora))('%s', (_, corpus) => {
  it("has sacrebleu's BLEU and rouge-score's ROUGE-L", () => {
    expect(bleu(corpus.texts, corpus.references)).toBeCloseTo(corpus.bleu, 9);
    expect(rougeL(corpus.texts, corpus.references)).toBeCloseTo(corpus.rougeL, 9);
  });
});

it('counts texts that are right to the letter', () => {
  expect(exactMatch(['a', ' b ', 'C'], ['a', 'b', 'c'])).toBeCloseTo(2 / 3, 9);
});

it('wants a reference for each text', () => {
  for (const metric of [bleu, rougeL, exactMatch]) {
    expect(() => metric(['a', 'b'], ['a'])).toThrow('DATA_INVALID');
    expect(() => metric([], [])).toThrow('DATA_INVALID');
  }
});
