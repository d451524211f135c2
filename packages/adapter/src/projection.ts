import {
  type Handle,
  type Initializer,
  linear,
  type MethodScope,
  normal,
  type Tensor,
  type Trace,
  tf,
  zeros,
} from '@tunesmith/core';
import { type HypercomplexShape, hypercomplexWeight } from './hypercomplex.js';

/** One of a bottleneck's two projections: its parameters, and what it computes, [.., in] → [.., out]. */
export type Projection = (x: Tensor, t: Trace) => Tensor;

export interface ProjectionShape {
  /** What its parameters are called before their own names, such as `adapter_up`. */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** Declares a projection's parameters at a site. */
export type DeclareProjection = (site: MethodScope, shape: ProjectionShape, init: Initializer) => Projection;

/** x·Wᵀ + b with W [out, in], as torch's Linear. */
export const denseProjection: DeclareProjection = ({ parameter }, { name, inFeatures, outFeatures }, init) => {
  const weight = parameter(`${name}.weight`, { shape: [outFeatures, inFeatures], init });
  const bias = parameter(`${name}.bias`, { shape: [outFeatures], init: zeros });
  return (x, t) => tf.add(linear(x, t.value(weight)), t.value(bias));
};

/** The rules R [n, n, n] that all of Compacter's projections share. */
export function sharedRules({ parameter }: MethodScope, { division, ruleDeviation }: HypercomplexShape): Handle {
  return parameter('shared_parameters.phm_rule', {
    shape: [division, division, division],
    init: normal(ruleDeviation),
  });
}

/** x·H + b, H the sum of Kronecker products of shared rules and factors of its own (hypercomplex.ts). */
export function hypercomplexProjection(rules: Handle, { division, rank }: HypercomplexShape): DeclareProjection {
  return ({ parameter }, { name, inFeatures, outFeatures }, init) => {
    const left = parameter(`${name}.W_left`, { shape: [division, inFeatures / division, rank], init });
    const right = parameter(`${name}.W_right`, { shape: [division, rank, outFeatures / division], init });
    const bias = parameter(`${name}.b`, { shape: [outFeatures], init: zeros });
    return (x, t) =>
      tf.add(linear(x, hypercomplexWeight(t.value(rules), t.value(left), t.value(right))), t.value(bias));
  };
}
