import { type Tensor, tf } from '@tunesmith/core';

export interface ClipRange {
  /** How far a ratio may fall below 1, and rise above, before it stops counting. */
  readonly low: number;
  readonly high: number;
}

/**
 * max(−A·ρ, −A·clip(ρ, 1 − ε_low, 1 + ε_high)) with ρ = π/π_old (PPO, Schulman et al. 2017, arXiv:1707.06347, eq. 7), elementwise.
 */
export function clippedPolicyLoss(advantages: Tensor, logRatios: Tensor, { low, high }: ClipRange): Tensor {
  const ratios = tf.exp(logRatios);
  const clipped = tf.clipByValue(ratios, 1 - low, 1 + high);
  return tf.neg(tf.minimum(tf.mul(ratios, advantages), tf.mul(clipped, advantages)));
}

/** Whether the clipping of a ratio takes its gradient away: 1 or 0. */
export function isClipped(advantages: Tensor, logRatios: Tensor, { low, high }: ClipRange): Tensor {
  const ratios = tf.exp(logRatios);
  const [least, most] = [tf.scalar(1 - low), tf.scalar(1 + high)];
  const below = tf.logicalAnd(tf.less(ratios, least), tf.less(advantages, tf.scalar(0)));
  const above = tf.logicalAnd(tf.greater(ratios, most), tf.greater(advantages, tf.scalar(0)));
  return tf.cast(tf.logicalOr(below, above), 'float32');
}

/** ½·max((V − R)², (clip(V, V_old − ε, V_old + ε) − R)²), elementwise (OpenAI's baselines, ppo2; TRL's PPOTrainer). */
export function clippedValueLoss(values: Tensor, oldValues: Tensor, returns: Tensor, range: number): Tensor {
  const change = tf.clipByValue(tf.sub(values, oldValues), -range, range);
  const clipped = tf.add(oldValues, change);
  const [free, bound] = [tf.square(tf.sub(values, returns)), tf.square(tf.sub(clipped, returns))];
  return tf.mul(tf.maximum(free, bound), 0.5);
}

/** k3 = e^(log π_ref − log π) − 1 − (log π_ref − log π), elementwise: see `klEstimate`. */
export function klLoss(logProbs: Tensor, reference: Tensor): Tensor {
  const difference = tf.sub(reference, logProbs);
  return tf.sub(tf.sub(tf.exp(difference), 1), difference);
}
