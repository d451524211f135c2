import { type LossTerm, logProbabilities, type Named, type Tensor, tf } from '@tunesmith/core';
import { type Direction, divergence, type SoftTargets } from './soft-targets.js';

/** What the two parts of the loss weigh, and how the teacher is followed. */
export interface Following {
  readonly answers: number;
  readonly teacher: number;
  readonly temperature: number;
  readonly direction?: Direction;
}

/**
 * answers · Σ w·(−log p) + teacher · Σ w·divergence over the targets of a batch as `sft` has it, per their weight; and beside it either
 * sum, unweighted: `nll` and `divergence`.
 */
export function learntAndTaught(
  logits: Tensor,
  { targets, targetWeights }: Named<Tensor>,
  taught: SoftTargets,
  { answers, teacher, temperature, direction }: Following,
): LossTerm[] {
  const weigh = (each: Tensor): Tensor => tf.sum(tf.mul(each, targetWeights as Tensor));
  const nll = tf.neg(weigh(logProbabilities(logits, targets as Tensor)));
  const apart = weigh(divergence(logits, taught, temperature, direction));
  return [
    { name: 'loss', sum: tf.add(tf.mul(nll, answers), tf.mul(apart, teacher)), per: 'weight' },
    { name: 'nll', sum: nll, per: 'weight', weight: 0 },
    { name: 'divergence', sum: apart, per: 'weight', weight: 0 },
  ];
}
