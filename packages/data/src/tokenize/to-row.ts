import type { Row } from '@tunesmith/core';
import type { TokenSpan } from './encode-spans.js';

/** Spans as one row: an answer's tokens weigh 1, all others as said, and the first 0, because nothing comes before it. */
export function toRow(spans: readonly TokenSpan[], promptLossWeight: number): Row {
  const tokens = Int32Array.from(spans.flatMap(({ ids }) => ids));
  const weights = new Float32Array(tokens.length);
  let start = 0;
  for (const { kind, ids } of spans) {
    weights.fill(kind === 'answer' ? 1 : promptLossWeight, start, start + ids.length);
    start += ids.length;
  }
  weights[0] = 0;
  return { tokens, weights };
}
