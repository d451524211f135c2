import { type Tensor, tf } from '@tunesmith/core';

/** Above everything that is sorted, and finite, so that 0 times it is 0. */
const last = 1e30;

/**
 * Values `[count]` in ascending order, those of weight 0 behind all others. Ties keep their order. Made of comparisons and one
 * product, because the gradient of a product is known: each value's goes back to where it came from.
 */
export function ascending(values: Tensor, weights: Tensor): Tensor {
  const count = values.shape[0] as number;
  const kept = tf.where(tf.greater(weights, 0), values, tf.fill([count], last));
  const [of, against] = [tf.reshape(kept, [count, 1]), tf.reshape(kept, [1, count])];
  const places = tf.range(0, count, 1, 'int32');
  const isEarlier = tf.less(tf.reshape(places, [1, count]), tf.reshape(places, [count, 1]));
  const isBefore = tf.logicalOr(tf.less(against, of), tf.logicalAnd(tf.equal(against, of), isEarlier));
  const ranks = tf.sum(tf.cast(isBefore, 'int32'), 1); // [count]
  const isAt = tf.equal(tf.reshape(ranks, [1, count]), tf.reshape(places, [count, 1])); // [rank, value]
  return tf.reshape(tf.matMul(tf.cast(isAt, 'float32'), of), [count]);
}
