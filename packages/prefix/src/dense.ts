import { linear, type MethodScope, type Tensor, type Trace, tf, uniform } from '@tunesmith/core';

/** A place for an encoder's parameters, which nothing else reads. */
export type EncoderScope = Pick<MethodScope, 'parameter'>;

export type Layer = (t: Trace, x: Tensor) => Tensor;

/** x·Wᵀ + b, `[rows, inFeatures]` → `[rows, outFeatures]`, initialised as PyTorch's `nn.Linear` or at zero. */
export function dense(
  scope: EncoderScope,
  name: string,
  [inFeatures, outFeatures]: readonly [inFeatures: number, outFeatures: number],
  init = uniform(1 / Math.sqrt(inFeatures)),
): Layer {
  const weight = scope.parameter(`${name}.weight`, { shape: [outFeatures, inFeatures], init });
  const bias = scope.parameter(`${name}.bias`, { shape: [outFeatures], init });
  return (t, x) => tf.add(linear(x, t.value(weight)), t.value(bias));
}
