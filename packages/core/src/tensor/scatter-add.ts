import { defineOp } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

const op = defineOp<object, readonly [Tensor, Tensor, Tensor]>({
  name: 'ScatterAdd',
  compose: ([x, positions, values]) => {
    const parts = tf.scatterND(tf.reshape(positions, [-1, 1]), values, partsOf(x, values) as never);
    return [tf.add(x, tf.reshape(parts, x.shape))];
  },
  gradient: ([dy], [x, positions, values]) => [
    () => tf.clone(dy),
    null,
    () => tf.gather(tf.reshape(dy, partsOf(x, values)), positions as never),
  ],
});

/** x's shape when it is cut into parts of the shape of each value. */
function partsOf(x: Tensor, values: Tensor): number[] {
  const part = values.shape.slice(1);
  return [x.size / part.reduce((product, each) => product * each, 1), ...part];
}

/**
 * `x` with `values` `[count, ...part]` added at `positions` (int32 `[count]`), which count x's parts in row-major order:
 * its elements where values is `[count]`, its rows where it is `[count, width]`. The gradient of `values` is dy at these
 * positions, so that what is trained in a large frozen tensor is as small as it is.
 */
export function scatterAdd(x: Tensor, positions: Tensor, values: Tensor): Tensor {
  return values.size === 0 ? x : op([x, positions, values], {})[0];
}
