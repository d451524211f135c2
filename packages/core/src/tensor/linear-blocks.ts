import { defineOp } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

/** How values of a block become whole numbers: GGUF's types of these names (ggml/src/ggml-common.h, `block_q8_0` and others). */
export type LinearBlockType = 'q8_0' | 'q4_0' | 'q4_1';

/** Values in a block, of one row. */
export const linearBlockSize = 32;

/** Bits of a code, the code of zero, and whether a block has a minimum of its own, which code 0 stands for. */
export const linearBlockForms = {
  q8_0: { bits: 8, zero: 128, hasMinimum: false },
  q4_0: { bits: 4, zero: 8, hasMinimum: false },
  q4_1: { bits: 4, zero: 0, hasMinimum: true },
} as const satisfies Record<LinearBlockType, { bits: 4 | 8; zero: number; hasMinimum: boolean }>;

/** A weight [rows, columns], each row of which is cut into blocks; the last is filled up. */
export interface LinearBlockLayout {
  readonly type: LinearBlockType;
  readonly rows: number;
  readonly columns: number;
}

/**
 * The tensors of such a weight, whose values are `scale · (code − zero)`, and the block's minimum more where it has one:
 * int32 of bytes [rows, blocks, 4 · bits], of two codes in one the first in the low half; float32 [rows, blocks] each.
 */
export type LinearBlockTensors =
  | readonly [codes: Tensor, scales: Tensor]
  | readonly [codes: Tensor, scales: Tensor, minimums: Tensor];

type Inputs = readonly [Tensor, ...LinearBlockTensors];

const dequantizeOp = defineOp<LinearBlockLayout, Inputs>({
  name: 'DequantizeLinearBlocks',
  compose: ([, ...weight], layout) => [compose(weight, layout)],
  gradient: (_, inputs) => inputs.map(() => null) as never,
});

/** The weight [rows, columns] in float32, which no gradient goes through. `after` is as `dequantize4Bit` has it. */
export function dequantizeLinearBlocks(weight: LinearBlockTensors, layout: LinearBlockLayout, after?: Tensor): Tensor {
  return dequantizeOp([after ?? (weight.at(-1) as Tensor), ...weight], layout)[0];
}

const linearOp = defineOp<LinearBlockLayout, Inputs>({
  name: 'LinearBlocks',
  compose: ([x, ...weight], layout) => [tf.matMul(x, compose(weight, layout), false, true)],
  gradient: ([dy], [, ...weight], _, layout) =>
    [() => tf.matMul(dy, dequantizeLinearBlocks(weight, layout, dy)), ...weight.map(() => null)] as never,
});

/**
 * x · weightᵀ over a frozen weight in blocks: x [.., columns] → [.., rows]. The gradient of x is dy · weight from the same
 * codes; the weight has none.
 */
export function linearBlocks(x: Tensor, weight: LinearBlockTensors, layout: LinearBlockLayout): Tensor {
  const lead = x.shape.slice(0, -1);
  const flat = x.rank === 2 ? x : tf.reshape(x, [-1, layout.columns]); // [n, columns]
  const y = linearOp([flat, ...weight], layout)[0]; // [n, rows]
  return x.rank === 2 ? y : tf.reshape(y, [...lead, layout.rows]);
}

function compose([bytes, scales, minimums]: LinearBlockTensors, { type, rows, columns }: LinearBlockLayout): Tensor {
  const { bits, zero } = linearBlockForms[type];
  const blocks = Math.ceil(columns / linearBlockSize);
  const codes = bits === 8 ? bytes : tf.reshape(halves(bytes), [rows, blocks, linearBlockSize]);
  const scaled = tf.mul(tf.sub(tf.cast(codes, 'float32'), zero), tf.expandDims(scales, 2));
  const values = minimums === undefined ? scaled : tf.add(scaled, tf.expandDims(minimums, 2));
  return tf.slice(tf.reshape(values, [rows, blocks * linearBlockSize]), [0, 0], [rows, columns]);
}

/** Both codes of each byte, the low one first. */
function halves(bytes: Tensor): Tensor {
  const high = tf.floorDiv(bytes, tf.scalar(16, 'int32'));
  return tf.stack([tf.sub(bytes, tf.mul(high, tf.scalar(16, 'int32'))), high], -1);
}
