import type { Row } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { type PackOptions, packRows } from './pack-rows.js';

const row = (...tokens: number[]): Row => ({
  tokens: Int32Array.from(tokens),
  weights: Float32Array.from(tokens, (_, index) => (index === 0 ? 0 : 1)),
});
const tokens = (rows: Row[], maxLength: number, options?: PackOptions) =>
  packRows(rows, maxLength, options).map((packed) => [...packed.tokens]);

// The cases of TRL's tests/test_data_utils.py, TestPackDatasetBfd.
describe('best fit decreasing, as TRL packs', () => {
  it('fills the gap of the longest', () => {
    const packed = packRows([row(1, 2, 3), row(4, 5, 6, 7), row(8)], 4);
    expect(packed.map((one) => [...one.tokens])).toEqual([
      [4, 5, 6, 7],
      [1, 2, 3, 8],
    ]);
    expect(packed.map((one) => [...one.segments!])).toEqual([
      [1, 1, 1, 1],
      [1, 1, 1, 2],
    ]);
    expect([...packed[1]!.positions!]).toEqual([0, 1, 2, 0]);
    expect([...packed[1]!.weights]).toEqual([0, 1, 1, 0]);
  });

  it('cuts or splits what is too long', () => {
    const rows = [row(1, 2, 3, 4, 5), row(6, 7), row(8, 9, 10, 11), row(12)];
    expect(tokens(rows, 4, { tooLong: 'truncate' })).toEqual([
      [1, 2, 3, 4],
      [8, 9, 10, 11],
      [6, 7, 12],
    ]);
    expect(tokens(rows, 4, { tooLong: 'split' })).toEqual([
      [1, 2, 3, 4],
      [8, 9, 10, 11],
      [6, 7, 5, 12],
    ]);
    expect(() => packRows(rows, 4)).toThrow(/DATA_INVALID: a row is longer.*expected at most 4 tokens, got 5/);
  });

  it('takes the fullest row that has room, and skips empty rows', () => {
    expect(tokens([row(1, 1, 1), row(2, 2, 2, 2), row(), row(3), row(4, 4)], 5)).toEqual([
      [2, 2, 2, 2, 3],
      [1, 1, 1, 4, 4],
    ]);
    expect(tokens([], 5)).toEqual([]);
  });
});

// The padding-free case of TRL's tests/test_sft_trainer.py.
it('restarts positions and gives the first token of every part no weight', () => {
  const [packed] = packRows([row(1, 2, 3), row(4, 5)], 5);
  expect([...packed!.positions!]).toEqual([0, 1, 2, 0, 1]);
  expect([...packed!.weights]).toEqual([0, 1, 1, 0, 1]);
});

it('gives the first token of a split piece no weight, since nothing before it can predict it', () => {
  const weights = packRows([row(1, 2, 3, 4, 5)], 3, { tooLong: 'split' }).map((packed) => [...packed.weights]);
  expect(weights).toEqual([
    [0, 1, 1],
    [0, 1],
  ]);
});

it('loses no token and keeps each row together', () => {
  const rows = Array.from({ length: 200 }, (_, index) => {
    const length = 1 + ((index * 37) % 50);
    return row(...Array.from({ length }, (_, offset) => index * 100 + offset));
  });
  const packed = packRows(rows, 64);
  const parts = packed.flatMap(({ tokens: all, segments }) =>
    [...new Set(segments)].map((segment) => [...all].filter((_, at) => segments![at] === segment)),
  );
  expect(parts.sort((a, b) => a[0]! - b[0]!)).toEqual(rows.map((one) => [...one.tokens]));
  const total = rows.reduce((sum, one) => sum + one.tokens.length, 0);
  expect(packed.length).toBe(Math.ceil(total / 64));
});
