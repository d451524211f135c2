import * as tf from '@tensorflow/tfjs-core';

/** Sums away what broadcasting added: the gradient of a value of `shape` that was broadcast to `x`'s shape. */
export function sumToShape(x: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((size, axis) => (axis < lead || (size !== 1 && shape[axis - lead] === 1) ? [axis] : []));
  return tf.reshape(axes.length === 0 ? x : tf.sum(x, axes), [...shape]);
}
