import { gelu, geluTanh, silu, type Tensor, tf } from '@tunesmith/core';

/** AdapterHub's `non_linearity`, which are transformers' names; `silu` and `swish` are one function. */
export const activations = {
  relu: (x: Tensor) => tf.relu(x),
  gelu,
  gelu_new: geluTanh,
  swish: silu,
  silu,
  tanh: (x: Tensor) => tf.tanh(x),
  leakyrelu: (x: Tensor) => tf.leakyRelu(x, 0.01),
} satisfies Record<string, (x: Tensor) => Tensor>;

export type Activation = keyof typeof activations;
export const activationNames = Object.keys(activations) as [Activation, ...Activation[]];
