import { defineOp } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

const op = defineOp<object, readonly [Tensor, Tensor, Tensor]>({
  name: 'Rotary',
  compose: ([x, cosine, sine]) => {
    const half = x.shape.at(-1)! / 2;
    const [first, second] = tf.split(x, [half, half], -1) as [Tensor, Tensor]; // [batch, heads, seq, headDim / 2]
    return [
      tf.concat(
        [tf.sub(tf.mul(first, cosine), tf.mul(second, sine)), tf.add(tf.mul(second, cosine), tf.mul(first, sine))],
        -1,
      ),
    ];
  },
  gradient: ([dy], [, cosine, sine]) => [() => rotary(dy, cosine, tf.neg(sine)), null, null],
});

/**
 * Rotary position embedding (Su et al. 2021) in Hugging Face's half-split convention: element i is rotated with element
 * i + headDim/2. x [batch, heads, seq, headDim]; cosine and sine [batch or 1, 1, seq, headDim / 2], which are functions
 * of positions and get no gradient.
 */
export function rotary(x: Tensor, cosine: Tensor, sine: Tensor): Tensor {
  return op([x, cosine, sine], {})[0];
}

/**
 * The angles' cosines and sines, `position · inverseFrequency`: positions int32 [batch or 1, seq], headDim / 2
 * frequencies → [batch or 1, 1, seq, headDim / 2].
 */
export function rotaryTable(
  positions: Tensor,
  inverseFrequencies: readonly number[] | Float32Array,
): { cosine: Tensor; sine: Tensor } {
  const [batch = 1, length = 0] = positions.shape;
  const frequencies = tf.tensor(Float32Array.from(inverseFrequencies), [1, 1, 1, inverseFrequencies.length]);
  const angles = tf.mul(tf.reshape(tf.cast(positions, 'float32'), [batch, 1, length, 1]), frequencies);
  return { cosine: tf.cos(angles), sine: tf.sin(angles) };
}
