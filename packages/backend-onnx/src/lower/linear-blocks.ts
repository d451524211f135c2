/**
 * Weights in blocks of whole numbers, as com.microsoft.MatMulNBits has them: bytes with the first code in the low half, a float32
 * scale for each block, and half of the codes' range as the code of zero. At accuracy level 1 it computes in float32.
 */
import { type LinearBlockLayout, linearBlockForms, linearBlockSize } from '@tunesmith/core';
import type { TraceNode, Value } from '../trace/graph.js';
import { matrixShape, productShape } from './coded-shapes.js';
import { heldBack } from './hold-back.js';
import type { Lowering } from './lowering.js';
import { inputAt, type OpRule } from './op-rule.js';

export const linearBlocks: OpRule = {
  infer: productShape,
  lower: (onnx, node) => {
    const { type, rows, columns } = node.attributes as unknown as LinearBlockLayout;
    const x = inputAt(node, 0);
    const { codes, scales, shifts } = partsOf(onnx, node, x);
    const y = product(onnx, onnx.use(x), codes, scales, { K: columns, N: rows, bits: linearBlockForms[type].bits });
    if (shifts === undefined) return y;
    // What is added to a block's values adds the sum of x over the block.
    const sums = blockSums(onnx, onnx.use(x), x.shape);
    return onnx.op('Add', [y, onnx.op('MatMul', [sums, onnx.op('Transpose', [shifts], { perm: [1, 0] })])]);
  },
};

/** The kernel unpacks what it multiplies: each block, taken as a row of its own, times the unit matrix. */
export const dequantizeLinearBlocks: OpRule = {
  infer: matrixShape,
  lower: (onnx, node) => {
    const { type, rows, columns } = node.attributes as unknown as LinearBlockLayout;
    const { bits } = linearBlockForms[type];
    const { codes, scales, shifts, blocks } = partsOf(onnx, node, inputAt(node, 0));
    const count = rows * blocks;
    const square = onnx.op('Expand', [onnx.scalar('float32', 0), onnx.int64s([linearBlockSize, linearBlockSize])]);
    const turned = product(
      ...([onnx, onnx.op('EyeLike', [square])] as const),
      onnx.reshape(codes, [count, 1, (linearBlockSize * bits) / 8]),
      onnx.reshape(scales, [count, 1]),
      { K: linearBlockSize, N: count, bits },
    );
    const values = onnx.op('Transpose', [turned], { perm: [1, 0] }); // [blocks of all rows, 32]
    const shifted = shifts === undefined ? values : onnx.op('Add', [values, onnx.reshape(shifts, [count, 1])]);
    const padded = blocks * linearBlockSize;
    const matrix = onnx.reshape(shifted, [rows, padded]);
    if (padded === columns) return matrix;
    return onnx.op('Slice', [matrix, onnx.int64s([0]), onnx.int64s([columns]), onnx.int64s([1])]);
  },
};

interface Parts {
  readonly codes: string;
  /** [rows, blocks] */
  readonly scales: string;
  /** What is to be added to a block's values as the kernel has them: [rows, blocks]. */
  readonly shifts: string | undefined;
  readonly blocks: number;
}

/** The parts of a node's weight, those that are computed not before `after` is known. */
function partsOf(onnx: Lowering, { inputs, attributes }: TraceNode, after: Value): Parts {
  const { type } = attributes as unknown as LinearBlockLayout;
  const [, codes, scales, minimums] = inputs as readonly [Value, Value, Value, Value?];
  const { bits, zero } = linearBlockForms[type];
  const float = (value: Value): string => {
    const { name, type: held } = onnx.held(value);
    const late = heldBack(onnx, name, value.shape, after);
    return held === 'float32' ? late : onnx.cast(late, 'float32');
  };
  const scale = float(scales);
  const moved = 2 ** (bits - 1) - zero;
  const shift = moved === 0 ? undefined : onnx.op('Mul', [scale, onnx.scalar('float32', moved)]);
  const shifts = minimums === undefined ? shift : onnx.op('Add', [float(minimums), shift as string]);
  return { codes: onnx.bytes(codes), scales: scale, shifts, blocks: scales.shape[1] as number };
}

function product(
  onnx: Lowering,
  x: string,
  codes: string,
  scales: string,
  shape: { readonly K: number; readonly N: number; readonly bits: number },
): string {
  const attributes = { ...shape, block_size: linearBlockSize, accuracy_level: 1 };
  const [y] = onnx.node('MatMulNBits', [x, codes, scales], 1, { domain: 'com.microsoft', attributes });
  return y as string;
}

/** x [n, columns] → [n, blocks], the last block filled up with zeros. */
function blockSums(onnx: Lowering, x: string, [count = 0, columns = 0]: readonly number[]): string {
  const blocks = Math.ceil(columns / linearBlockSize);
  const missing = blocks * linearBlockSize - columns;
  const whole = missing === 0 ? x : onnx.op('Pad', [x, onnx.int64s([0, 0, 0, missing])]);
  const cut = onnx.reshape(whole, [count, blocks, linearBlockSize]);
  return onnx.op('ReduceSum', [cut, onnx.int64s([2])], { keepdims: 0 });
}
