import type { HostTensor, Row } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { collateRated } from './collate-rated.js';

const options = { rows: 4, maxLength: 6, padToken: 0 };

function rated(prompt: readonly number[], answer: readonly number[], good: number): Row {
  const tokens = Int32Array.from([...prompt, ...answer]);
  return { tokens, weights: new Float32Array(tokens.length).fill(1, prompt.length), labels: Float32Array.of(good) };
}

describe('collateRated', () => {
  it('gives each prompt the answer of the row before, and the first that of the last', () => {
    const rows = [rated([1, 2, 3], [4, 5], 1), rated([7, 8], [9], 0), rated([10], [11, 12, 13], 0)];
    const { columns, normalizers, tokens } = collateRated(rows, options);
    const { ids } = columns as Record<string, HostTensor> & { readonly ids: HostTensor };
    const length = ids.shape[1] as number;
    const text = (row: number): number[] =>
      Array.from((ids.data as Int32Array).subarray(row * length, (row + 1) * length));
    // The first is cut at its end.
    expect([0, 1, 2, 3, 4, 5].map(text)).toEqual([
      [1, 2, 3, 4, 5, 0],
      [1, 2, 3, 11, 12, 13],
      [7, 8, 9, 0, 0, 0],
      [7, 8, 4, 5, 0, 0],
      [10, 11, 12, 13, 0, 0],
      [10, 9, 0, 0, 0, 0],
    ]);
    expect(columns.answerTokens?.data).toEqual(Float32Array.of(2, 3, 1, 2, 3, 1, 1, 1));
    expect(columns.pairWeights?.data).toEqual(Float32Array.of(1, 1, 1, 0));
    expect(columns.desirable?.data).toEqual(Float32Array.of(1, 0, 0, 0));
    expect(normalizers).toEqual({ pairs: 3, desirable: 1, undesirable: 2 });
    expect(tokens).toBe(12);
  });

  it('cuts an answer that does not fit beside another’s prompt', () => {
    const rows = [rated([1, 2, 3, 4, 5], [6], 1), rated([7], [8, 9, 10], 0)];
    const { columns } = collateRated(rows, options);
    expect(columns.answerTokens?.data).toEqual(Float32Array.of(1, 1, 3, 1, 1, 1, 1, 1));
  });

  it('refuses rows that are not rated, and batches of one row', () => {
    const { labels: _, ...plain } = rated([1], [2], 1);
    expect(() => collateRated([plain], options)).toThrow(/a row is no rated answer/);
    expect(() => collateRated([rated([1], [2], 0.5)], options)).toThrow(/a row is no rated answer/);
    expect(() => collateRated([rated([1], [2], 1)], { ...options, rows: 1 })).toThrow(/batchSize of at least 2/);
  });
});
