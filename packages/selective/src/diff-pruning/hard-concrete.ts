import { defineOp, type Tensor, tf } from '@tunesmith/core';

/** Where the concrete distribution is stretched to, lower < 0 and upper > 1, before it is cut to [0, 1]. */
export interface Stretch {
  readonly lower: number;
  readonly upper: number;
}

const op = defineOp<Stretch>({
  name: 'HardConcrete',
  compose: ([x], { lower, upper }) => [tf.clipByValue(tf.add(tf.mul(tf.sigmoid(x), upper - lower), lower), 0, 1)],
  // (r − l)·σ·(1 − σ), of the result alone: nothing else has to be kept for the backward pass.
  gradient: ([dy], _, [z], { lower, upper }) => [
    () => {
      const slope = tf.div(tf.mul(tf.sub(z, lower), tf.sub(upper, z)), upper - lower);
      const isOpen = tf.cast(tf.logicalAnd(tf.greater(z, 0), tf.less(z, 1)), 'float32');
      return tf.mul(dy, tf.mul(slope, isOpen));
    },
  ],
});

/**
 * z = min(1, max(0, (r − l)·σ(log u − log(1 − u) + α) + l)), a draw from the hard-concrete distribution (Louizos, Welling and
 * Kingma 2018, eq. 10–11, with β = 1). u is noise in [0, 1), cut to [1e-4, 1 − 1e-4] (DiffPruning, `concrete_stretched`).
 */
export function drawnGate(alpha: Tensor, noise: Tensor, stretch: Stretch): Tensor {
  const u = tf.clipByValue(noise, 1e-4, 1 - 1e-4);
  return op([tf.add(alpha, tf.sub(tf.log(u), tf.log(tf.sub(1, u))))], stretch)[0];
}

/** ẑ = min(1, max(0, (r − l)·σ(α) + l)), the gate without noise (Louizos et al. 2018, eq. 13). */
export function settledGate(alpha: Tensor, stretch: Stretch): Tensor {
  return op([alpha], stretch)[0];
}

/** P(z ≠ 0) = σ(α − log(−l / r)) (Louizos et al. 2018, eq. 12). */
export function openProbability(alpha: Tensor, { lower, upper }: Stretch): Tensor {
  return tf.sigmoid(tf.sub(alpha, Math.log(-lower / upper)));
}

/** Multiplies values by their settled gates, in place on the host; a single gate is that of them all. */
export function closeGates(values: Float32Array, alphas: Float32Array, { lower, upper }: Stretch): void {
  for (let index = 0; index < values.length; index++) {
    const alpha = alphas[alphas.length === 1 ? 0 : index] as number;
    const gate = (upper - lower) / (1 + Math.exp(-alpha)) + lower;
    values[index] = (values[index] as number) * Math.min(1, Math.max(0, gate));
  }
}
