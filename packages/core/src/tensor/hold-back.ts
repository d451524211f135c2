import { defineOp } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

const op = defineOp<object, readonly [Tensor, Tensor]>({
  name: 'HoldBack',
  compose: ([x]) => [tf.clone(x)],
  gradient: ([dy]) => [() => tf.clone(dy), null],
});

/**
 * `x`, but not before `after` is known. What is recomputed from it in a gradient can then neither be merged with the
 * original computation nor run ahead of time; a compiling backend lowers it so that its optimiser cannot see through it.
 */
export function holdBack(x: Tensor, after: Tensor): Tensor {
  return op([x, after], {})[0];
}
