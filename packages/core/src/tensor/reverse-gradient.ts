import { defineOp } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

const op = defineOp<object, readonly [Tensor, Tensor]>({
  name: 'ReverseGradient',
  compose: ([x]) => [tf.clone(x)],
  gradient: ([dy], [, factor]) => [() => tf.neg(tf.mul(dy, factor)), null],
});

/**
 * x, whose gradient is −`factor` times what it would be, with `factor` a scalar: what lies before it is trained to make worse what lies
 * behind it is trained to make better (the gradient reversal layer of Ganin et al. 2016, arXiv:1505.07818, eq. 17–18).
 */
export function reverseGradient(x: Tensor, factor: Tensor): Tensor {
  return op([x, factor], {})[0];
}
