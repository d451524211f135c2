import { defineOp } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

/** How a weight [rows, columns] in 8 bits a value is multiplied: LLM.int8 (Dettmers et al. 2022, §3). */
export interface Int8Layout {
  readonly rows: number;
  readonly columns: number;
  /** Columns of x that reach this magnitude anywhere are multiplied as they are; 0: none is. */
  readonly outlierThreshold: number;
  /** Whether dy is rounded too, so that the gradient of x is a product of whole numbers as well. */
  readonly integerGradient: boolean;
}

/** The tensors of such a weight, whose values are `code · absmax / 127`: int32 of −127..127 [rows, columns]; float32 [rows]. */
export type Int8Tensors = readonly [codes: Tensor, absmax: Tensor];

type Inputs = readonly [Tensor, ...Int8Tensors];

/** The largest code. */
const most = 127;

const dequantizeOp = defineOp<object, Inputs>({
  name: 'DequantizeInt8',
  compose: ([, codes, absmax]) => [
    tf.mul(tf.cast(codes, 'float32'), tf.expandDims(tf.div(absmax, most), 1)), // [rows, columns]
  ],
  gradient: (_, inputs) => inputs.map(() => null) as never,
});

/** The weight [rows, columns] in float32, which no gradient goes through. `after` is as `dequantize4Bit` has it. */
export function dequantizeInt8([codes, absmax]: Int8Tensors, after: Tensor = absmax): Tensor {
  return dequantizeOp([after, codes, absmax], {})[0];
}

const linearOp = defineOp<Int8Layout, Inputs>({
  name: 'LinearInt8',
  compose: ([x, ...weight], { outlierThreshold }) => [
    tf.matMul(roundRows(x, outlierThreshold), dequantizeInt8(weight, x), false, true),
  ],
  gradient: ([dy], [, ...weight], _, layout) => [
    () =>
      layout.integerGradient
        ? gradientOp([dy, ...weight], { columns: layout.columns })[0]
        : tf.matMul(dy, dequantizeInt8(weight, dy)),
    null,
    null,
  ],
});

const gradientOp = defineOp<Pick<Int8Layout, 'columns'>, Inputs>({
  name: 'LinearInt8Gradient',
  compose: ([dy, codes, absmax]) => {
    const scaled = roundRows(tf.mul(dy, tf.div(absmax, most)), 0); // [n, rows]
    return [tf.matMul(scaled, dequantizeInt8([codes, tf.fill(absmax.shape, most)], dy))];
  },
  gradient: (_, inputs) => inputs.map(() => null) as never,
});

/**
 * x · weightᵀ over a frozen weight in 8 bits, x [.., columns] → [.., rows], as bitsandbytes' `MatMul8bitLt` has it (Dettmers
 * et al. 2022, eq. 8): each row of x is rounded to 255 steps of its largest magnitude, and the product of whole numbers is
 * scaled; columns with outliers are left out of both and multiplied as they are. The gradient of x is that of the product
 * without the rounding, dy · weight. With `integerGradient` dy is rounded in the same way, each row times the weight's
 * scales (SwitchBack, Wortsman et al. 2023, §2.2, which bitsandbytes has for layers that train).
 */
export function linearInt8(x: Tensor, weight: Int8Tensors, layout: Int8Layout): Tensor {
  const lead = x.shape.slice(0, -1);
  const flat = x.rank === 2 ? x : tf.reshape(x, [-1, layout.columns]); // [n, columns]
  const y = linearOp([flat, ...weight], layout)[0]; // [n, rows]
  return x.rank === 2 ? y : tf.reshape(y, [...lead, layout.rows]);
}

/** What a row's largest magnitude is taken for at least, so that a row of zeros has codes of zero. */
export const leastRowMagnitude = 1e-36;

/** x [n, columns], each value rounded to a whole number of 127ths of its row's largest, but for columns of outliers. */
function roundRows(x: Tensor, outlierThreshold: number): Tensor {
  const magnitudes = tf.abs(x);
  if (outlierThreshold === 0) return rounded(x, magnitudes);
  const isOutlier = tf.greaterEqual(magnitudes, outlierThreshold);
  const ordinary = tf.where(isOutlier, tf.zerosLike(x), magnitudes);
  return tf.where(tf.any(isOutlier, 0, true), x, rounded(x, ordinary));
}

function rounded(x: Tensor, magnitudes: Tensor): Tensor {
  const absmax = tf.maximum(tf.max(magnitudes, -1, true), leastRowMagnitude); // [n, 1]
  return tf.mul(tf.round(tf.mul(x, tf.div(most, absmax))), tf.div(absmax, most));
}
