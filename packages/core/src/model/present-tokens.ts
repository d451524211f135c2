import { type Tensor, tf } from '../tensor/tfjs.js';
import type { TokenColumns } from './family.js';

/** 1 at the tokens of texts and 0 at the padding behind them, float32 `[batch, seq]`. */
export function presentTokens({
  ids,
  positions,
  segments,
}: Pick<TokenColumns, 'ids' | 'positions' | 'segments'>): Tensor {
  if (segments !== undefined) return tf.cast(tf.greater(segments, tf.scalar(0, 'int32')), 'float32');
  // Positions rise along a text, and padding stands where its first token does.
  const first = tf.slice(positions, [0, 0], [positions.shape[0] as number, 1]);
  const behind = tf.greater(tf.range(0, ids.shape[1] as number, 1, 'int32'), tf.scalar(0, 'int32'));
  const padded = tf.logicalAnd(tf.equal(positions, first), behind);
  return tf.mul(tf.cast(tf.logicalNot(padded), 'float32'), tf.ones(ids.shape as [number, number]));
}
