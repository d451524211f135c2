import { type Tensor, tf } from '@tunesmith/core';
import { logSigmoid } from './log-sigmoid.js';

/** −(1 − ε)·log σ(x) − ε·log σ(−x): the loss of a preference that is the wrong way round with probability ε. */
export function smoothed(x: Tensor, epsilon: number): Tensor {
  const agrees = tf.neg(logSigmoid(x));
  return epsilon === 0 ? agrees : tf.sub(tf.mul(agrees, 1 - epsilon), tf.mul(logSigmoid(tf.neg(x)), epsilon));
}
