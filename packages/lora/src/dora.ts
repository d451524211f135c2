/**
 * DoRA (Liu et al. 2024, eq. 5): the weight's direction moves by LoRA, each output's magnitude m is trained by itself,
 * W' = m · (W + scale·B·A) / ‖W + scale·B·A‖, a norm for each output. The norm is a constant for the gradient (§4.3).
 * Reference: peft/tuners/lora/dora.py, whose behaviour with dropout this has too: the dropped-out input goes through W
 * once more.
 */
import {
  type Handle,
  type Initializer,
  type LinearSite,
  type Middleware,
  type PatchableSite,
  type Tensor,
  type Trace,
  tf,
} from '@tunesmith/core';
import type { LoraConfig } from './config.js';
import { type Factors, withoutStart } from './initialisation.js';
import { lowRankUpdate } from './low-rank.js';

/** PEFT's name; what it scales is one output feature. */
export const magnitudeName = 'lora_magnitude_vector';

/** m starts as the norm of each output's weights, so that the model starts unchanged. */
export function magnitudeStart(weight: Handle, outputAxis: 0 | 1): Initializer {
  return async ({ readBase }) => rowNorms(await readBase(weight.path), weight.shape as [number, number], outputAxis);
}

/** Norms along the other axis of a matrix [rows, columns], in double precision. */
export function rowNorms(values: Float32Array, [rows, columns]: readonly [number, number], axis: 0 | 1): Float32Array {
  const squares = new Float64Array(axis === 0 ? rows : columns);
  for (let index = 0; index < values.length; index++) {
    const at = axis === 0 ? Math.floor(index / columns) : index % columns;
    squares[at] = (squares[at] as number) + (values[index] as number) ** 2;
  }
  return Float32Array.from(squares, Math.sqrt);
}

/**
 * ‖W + scale·B·A‖ for each output without that matrix: ‖W‖² + 2·scale·rowsum(W·Aᵀ∘B) + scale²·rowsum(B·A·Aᵀ∘B).
 * `squares` is ‖W‖² [out], `product` is A·Wᵀ [rank, out].
 */
export function directionNorm(squares: Tensor, product: Tensor, a: Tensor, b: Tensor, scale: number): Tensor {
  const cross = tf.sum(tf.mul(tf.transpose(product), b), 1); // [out]
  const gram = tf.matMul(a, a, false, true); // [rank, rank]
  const own = tf.sum(tf.mul(tf.matMul(b, gram), b), 1); // [out]
  const sum = tf.addN([squares, tf.mul(cross, 2 * scale), tf.mul(own, scale * scale)]);
  // Rounding may leave an output that has become zero below it.
  return tf.sqrt(tf.maximum(sum, 1e-30));
}

/** m / ‖W + scale·(B·A − B₀·A₀)‖ of a linear module, [out]. */
function magnitudeRatio(t: Trace, site: LinearSite, factors: Factors, magnitude: Handle, scale: number): Tensor {
  const { a, b } = constantFactors(t, factors);
  const squares = tf.sum(tf.square(site.weight(t)), 1);
  return tf.div(t.value(magnitude), directionNorm(squares, site.apply(t, a), a, b, scale));
}

/** [A; A₀] and [B, −B₀], so that their product is B·A − B₀·A₀. */
function constantFactors(t: Trace, { a, b, start }: Factors): { a: Tensor; b: Tensor } {
  if (start === undefined) return { a: t.constant(a), b: t.constant(b) };
  return {
    a: tf.concat([t.constant(a), t.constant(start.a)], 0),
    b: tf.concat([t.constant(b), tf.neg(t.constant(start.b))], 1),
  };
}

/** A linear module as DoRA's: y = b + m/‖·‖ · (W + scale·(B·A − B₀·A₀))·x. */
export function decompose(
  site: PatchableSite<'linear'>,
  { dropout }: LoraConfig,
  factors: Factors,
  scale: number,
): Middleware<'linear'> {
  const magnitude = site.parameter(magnitudeName, {
    shape: [site.outFeatures],
    init: magnitudeStart(site.weightHandle, site.layout === 'out-in' ? 0 : 1),
    decay: true,
  });
  return (x, next, t) => {
    const dropped = t.dropout(x, dropout);
    const ratio = magnitudeRatio(t, site, factors, magnitude, scale); // [out]
    const base = withoutStart(t, factors, scale, x, next(x));
    // Without dropout W·x is at hand; with it PEFT multiplies the dropped-out x by W again.
    const product =
      dropped === x
        ? withoutBias(base, site.bias(t))
        : withoutStart(t, factors, scale, dropped, site.apply(t, dropped));
    const update = lowRankUpdate(dropped, t.value(factors.a), t.value(factors.b), scale);
    return tf.addN([base, tf.mul(product, tf.sub(ratio, 1)), tf.mul(update, ratio)]);
  };
}

function withoutBias(output: Tensor, bias: Tensor | null): Tensor {
  return bias === null ? output : tf.sub(output, bias);
}
