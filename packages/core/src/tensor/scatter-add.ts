import { defineOp } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

const op = defineOp<object, readonly [Tensor, Tensor, Tensor]>({
  name: 'ScatterAdd',
  compose: ([x, positions, values]) => {
    const flat = tf.scatterND(tf.reshape(positions, [-1, 1]), values, [x.size]);
    return [tf.add(x, tf.reshape(flat, x.shape))];
  },
  gradient: ([dy], [, positions]) => [
    () => tf.clone(dy),
    null,
    () => tf.gather(tf.reshape(dy, [-1]), positions as never),
  ],
});

/**
 * `x` with `values` `[count]` added at `positions` (int32 `[count]`), which count x's elements in row-major order. The
 * gradient of `values` is dy at these positions, so that what is trained in a large frozen tensor is as small as it is.
 */
export function scatterAdd(x: Tensor, positions: Tensor, values: Tensor): Tensor {
  return values.size === 0 ? x : op([x, positions, values], {})[0];
}
