import { expect, it } from 'vitest';
import { seq2seq } from './seq2seq.js';
import { addVirtualTokens, collateRows } from './virtual-tokens.js';

const row = (tokens: number[], source: number[]) => ({
  tokens: Int32Array.from(tokens),
  weights: Float32Array.from(tokens, (_, index) => (index === 0 ? 0 : 1)),
  source: Int32Array.from(source),
});
const rows = [row([2, 5, 1], [7, 8, 9, 1]), row([2, 6, 6, 1], [7, 1])];
const options = { rows: 3, maxLength: 64, padToken: 0 };

it('collates sources beside the answers, and says which of them are text', () => {
  const { columns, ...batch } = seq2seq.collate(rows, options);
  expect(columns.sourceIds?.shape).toEqual([3, 16]);
  expect([...(columns.sourceIds?.data ?? [])].slice(0, 18)).toEqual([7, 8, 9, 1, ...Array(12).fill(0), 7, 1]);
  const segments = [...(columns.sourceSegments?.data ?? [])];
  expect([0, 16, 32].map((start) => segments.slice(start, start + 16).filter((each) => each === 1).length)).toEqual([
    4, 2, 0,
  ]);
  expect([...(columns.targets?.data ?? [])].slice(0, 6)).toEqual([5, 1, 6, 6, 1, 0]);
  expect(batch).toMatchObject({ rows: 2, tokens: 13, normalizers: { weight: 5 } });
});

it('has virtual tokens before the source alone, which count as no tokens', () => {
  const model = { virtualTokens: Int32Array.of(90, 91) };
  const longer = addVirtualTokens(model, rows[0] as (typeof rows)[0]);
  expect([...(longer.source as Int32Array)]).toEqual([90, 91, 7, 8, 9, 1]);
  expect([...longer.tokens]).toEqual([2, 5, 1]);
  expect(collateRows(model, seq2seq, rows, options).tokens).toBe(13);
});

it('refuses rows without a source', () => {
  expect(() => seq2seq.collate([{ tokens: Int32Array.of(2, 5), weights: Float32Array.of(0, 1) }], options)).toThrow(
    /DATA_INVALID at row 0.*got no source/,
  );
});
