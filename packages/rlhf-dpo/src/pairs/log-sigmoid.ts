import { type Tensor, tf } from '@tunesmith/core';

/** log σ(x) = −log(1 + e^−x), which overflows nowhere and whose gradient at 0 is ½. */
export function logSigmoid(x: Tensor): Tensor {
  return tf.neg(tf.softplus(tf.neg(x)));
}
