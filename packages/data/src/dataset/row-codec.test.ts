import type { Row } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { decodeRow, encodeRow } from './row-codec.js';

const plain: Row = { tokens: Int32Array.of(3, 1, 4, 1), weights: Float32Array.of(0, 0, 1, 1) };
/** Whatever a row may have beside its tokens, empty texts too. */
const parts: Partial<Row>[] = [
  { tokenTypes: Int32Array.of(0, 0, 0, 1) },
  { labels: Float32Array.of(0.5, -2) },
  { margin: 0.25 },
  { expected: Int32Array.of(5, 9) },
  { expected: new Int32Array() },
  { source: Int32Array.of(2, 6, 5) },
  { source: new Int32Array() },
  { rejected: { tokens: Int32Array.of(8), weights: Float32Array.of(1) } },
  { passage: { text: 'a “café” 😀', offset: 9, spans: Int32Array.of(0, 1, 3, 7), part: 2, answers: ['café', ''] } },
  {
    compared: [
      { tokens: Int32Array.of(7, 9), weights: Float32Array.of(0, 0) },
      { tokens: Int32Array.of(6), weights: Float32Array.of(0) },
    ],
  },
];
const subsets = Array.from({ length: 2 ** parts.length }, (_, subset) =>
  Object.assign({}, ...parts.filter((_part, index) => subset & (2 ** index))),
) as Partial<Row>[];

describe.each([2, 4] as const)('a row of ids of %i bytes', (tokenBytes) => {
  it('comes back with what it had, and with nothing else', () => {
    for (const more of subsets) {
      const row = { ...plain, ...more };
      expect(decodeRow(encodeRow(row, tokenBytes), tokenBytes)).toEqual(row);
    }
  });
});
