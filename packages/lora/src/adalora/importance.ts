/**
 * What each singular value with its two vectors is worth: sensitivity |w·∂L/∂w|, smoothed, times how much it fluctuates
 * (Zhang et al. 2023, §3.2; peft/tuners/adalora/layer.py, update_ipt and mask_to_budget).
 */
import { type AfterUpdateTrace, type Handle, type MethodScope, type Tensor, tf, zeros } from '@tunesmith/core';
import type { AdaloraConfig } from './config.js';

/** A parameter and what is remembered of its elements. */
export interface Followed {
  readonly parameter: Handle;
  readonly importance: Handle;
  readonly uncertainty: Handle;
}

export function follow(scope: MethodScope, name: string, parameter: Handle): Followed {
  const { shape } = parameter;
  return {
    parameter,
    importance: scope.buffer(`${name}.importance`, { shape, init: zeros }),
    uncertainty: scope.buffer(`${name}.uncertainty`, { shape, init: zeros }),
  };
}

/**
 * Ī ← β₁·Ī + (1 − β₁)·I and Ū ← β₂·Ū + (1 − β₂)·|I − Ī| with I = |w·∂L/∂w|, for the value after the step and its gradient
 * before clipping; where `follows` is 0 both stay. Returns them and their product, all in the parameter's shape.
 */
export function updateImportance(
  u: AfterUpdateTrace,
  { parameter, importance, uncertainty }: Followed,
  { beta1, beta2 }: Pick<AdaloraConfig, 'beta1' | 'beta2'>,
  follows: Tensor,
): { changed: [Handle, Tensor][]; score: Tensor } {
  const sensitivity = tf.abs(tf.mul(u.after(parameter), u.gradient(parameter)));
  const blend = (old: Tensor, next: Tensor, beta: number): Tensor =>
    tf.add(old, tf.mul(follows, tf.mul(1 - beta, tf.sub(next, old))));
  const mean = blend(u.value(importance), sensitivity, beta1);
  const spread = blend(u.value(uncertainty), tf.abs(tf.sub(sensitivity, mean)), beta2);
  return {
    changed: [
      [importance, mean],
      [uncertainty, spread],
    ],
    score: tf.mul(mean, spread),
  };
}

/** Of a module's scores A [rank, in], E [rank, 1] and B [out, rank], what each rank is worth, [rank]. */
export function rankScores({ a, e, b }: { a: Tensor; e: Tensor; b: Tensor }): Tensor {
  return tf.addN([tf.reshape(e, [-1]), tf.mean(a, 1), tf.mean(b, 0)]);
}

/** 1 for the `budget` ranks that are worth most, 0 for the others, [ranks]; of equals, the first. */
export function keepBest(scores: Tensor, budget: Tensor): Tensor {
  const count = scores.shape[0] as number;
  const { indices } = tf.topk(scores, count);
  const isKept = tf.cast(tf.less(tf.range(0, count), budget), 'float32'); // by place
  return tf.scatterND(tf.reshape(indices, [count, 1]), isKept, [count]);
}
