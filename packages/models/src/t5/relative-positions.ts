import { type ModelBuilder, type Tensor, type Trace, tf } from '@tunesmith/core';

export interface RelativePositions {
  /** Rows of the table. */
  readonly buckets: number;
  readonly maxDistance: number;
  readonly heads: number;
  /** Whether keys behind and keys ahead have buckets of their own; keys ahead have that of distance 0 otherwise. */
  readonly bothWays: boolean;
}

/**
 * The row of the table for a key at `distance` = key − query: each of the nearest half has its own, those beyond share
 * rows that widen with log(distance) up to `maxDistance` (Raffel et al. 2020, section 2.1; transformers/models/t5/
 * modeling_t5.py, `_relative_position_bucket`). In float32, as where the checkpoints come from: it decides at the borders.
 */
export function bucketOf(
  distance: number,
  { buckets, maxDistance, bothWays }: Omit<RelativePositions, 'heads'>,
): number {
  const count = bothWays ? buckets / 2 : buckets;
  const first = bothWays && distance > 0 ? count : 0;
  const away = bothWays ? Math.abs(distance) : Math.max(-distance, 0);
  const exact = Math.floor(count / 2);
  if (away < exact) return first + away;
  const { fround } = Math;
  const share = fround(fround(Math.log(fround(away / exact))) / fround(Math.log(maxDistance / exact)));
  return first + Math.min(exact + Math.trunc(fround(share * (count - exact))), count - 1);
}

/**
 * Declares a stack's table `[buckets, heads]`, which lies in its first attention layer and serves all, and gives what it
 * adds to a score by the distance of query and key: `[2 · maxDistance + 1, heads]`.
 */
export function buildRelativePositions(attention: ModelBuilder, relative: RelativePositions): (t: Trace) => Tensor {
  const { buckets: rows, maxDistance, heads: features } = relative;
  const table = attention.embedding('relative_attention_bias', { role: 'embedding.position', rows, features });
  const rowOf = Int32Array.from({ length: 2 * maxDistance + 1 }, (_, index) => bucketOf(index - maxDistance, relative));
  return (t) => table(t, tf.tensor1d(rowOf, 'int32'));
}
