import { defineOp } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

const op = defineOp<object, readonly [Tensor, Tensor]>({
  name: 'HoldBack',
  compose: ([x]) => [tf.clone(x)],
  gradient: ([dy]) => [() => tf.clone(dy), null],
});

/**
 * `x`, but not before `after` is known. A compiling backend merges equal computations, so that a gradient that computes
 * something of the forward pass once more would in truth keep it; computed from `holdBack(x, dy)` it is neither merged
 * nor run ahead of time. Such a backend lowers the op so that its optimiser cannot see through it; elsewhere it is x.
 */
export function holdBack(x: Tensor, after: Tensor): Tensor {
  return op([x, after], {})[0];
}
