import { stopGradient } from './stop-gradient.js';
import { type Tensor, tf } from './tfjs.js';

/**
 * What the distance from a query to a key adds to their score: for every distance d = key − query the row d + reach of
 * `byDistance` `[2 · reach + 1, heads]`, and the first or the last beyond (Raffel et al. 2020, section 2.1).
 * `distances` int32 `[rows, seq, keys]` → `[rows, heads, seq, keys]`.
 */
export function distanceBias(byDistance: Tensor, distances: Tensor): Tensor {
  const last = (byDistance.shape[0] as number) - 1;
  // Where a block is recomputed the places of tokens are among its inputs, and gather has no gradient for what it is told to take.
  const row = stopGradient(() => {
    const shifted = tf.add(distances, tf.scalar(last / 2, 'int32'));
    return tf.minimum(tf.maximum(shifted, tf.scalar(0, 'int32')), tf.scalar(last, 'int32'));
  });
  return tf.transpose(tf.gather(byDistance, row as never), [0, 3, 1, 2]);
}

/** The distances of tokens that stand side by side, int32 `[1, length, length]`. */
export function ownDistances(length: number): Tensor {
  const place = tf.range(0, length, 1, 'int32');
  return tf.sub(tf.reshape(place, [1, 1, length]), tf.reshape(place, [1, length, 1]));
}
