import { type Tensor, tf } from '@tunesmith/core';

/** [batch, seq, heads · headDim] → [batch, heads, seq, headDim], each head normed on the way where there is a norm. */
export function splitHeads(x: Tensor, headDim: number, norm: (heads: Tensor) => Tensor = (heads) => heads): Tensor {
  const [batch = 0, length = 0] = x.shape;
  return tf.transpose(norm(tf.reshape(x, [batch, length, -1, headDim])), [0, 2, 1, 3]);
}

/** [batch, heads, seq, headDim] → [batch, seq, heads · headDim] */
export function mergeHeads(x: Tensor): Tensor {
  const [batch = 0, heads = 0, length = 0, headDim = 0] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, length, heads * headDim]);
}
