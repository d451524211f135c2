import { defineOp } from './define-op.js';
import { holdBack } from './hold-back.js';
import { sumToShape } from './sum-to-shape.js';
import { type Tensor, tf } from './tfjs.js';

const op = defineOp<{ epsilon: number }, readonly [Tensor, Tensor, Tensor]>({
  name: 'LayerNorm',
  compose: ([x, weight, bias], { epsilon }) => [tf.add(tf.mul(normalize(x, statistics(x, epsilon)), weight), bias)],
  gradient: ([dy], [kept, weight, bias], _, { epsilon }) => {
    // Held back, lest the normalised input be kept beside the input.
    const x = holdBack(kept, dy);
    const row = tf.tidy(() => statistics(x, epsilon));
    return [
      () => {
        // With n the normalised x and g = dy · weight: dx = (g − mean(g) − n · mean(g · n)) / σ.
        const normalized = normalize(x, row);
        const upstream = tf.mul(dy, weight);
        const along = tf.mul(normalized, tf.mean(tf.mul(upstream, normalized), -1, true));
        return tf.mul(tf.sub(tf.sub(upstream, tf.mean(upstream, -1, true)), along), row.inverseDeviation);
      },
      () => sumToShape(tf.mul(dy, normalize(x, row)), weight.shape),
      () => sumToShape(dy, bias.shape),
    ];
  },
});

/** (x − mean) / √(variance + ε) · weight + bias over the last axis (Ba et al. 2016): x [.., n], weight and bias [n]. */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: number): Tensor {
  return op([x, weight, bias], { epsilon })[0];
}

/** Each row's mean and 1/√(variance + ε), both [.., 1]. */
type Statistics = { mean: Tensor; inverseDeviation: Tensor };

function statistics(x: Tensor, epsilon: number): Statistics {
  const mean = tf.mean(x, -1, true);
  const variance = tf.mean(tf.square(tf.sub(x, mean)), -1, true);
  return { mean, inverseDeviation: tf.rsqrt(tf.add(variance, epsilon)) };
}

function normalize(x: Tensor, { mean, inverseDeviation }: Statistics): Tensor {
  return tf.mul(tf.sub(x, mean), inverseDeviation);
}
