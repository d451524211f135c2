/**
 * Weights in 4 bits, as com.microsoft.MatMulBnb4 has them: bytes with the first code in the high half, a float32 magnitude
 * for each block. The kernel multiplies by the transposed weight only: with transB = 0 it does so too, without a word.
 */
import { dynamicMap, type FourBitLayout } from '@tunesmith/core';
import { elementCount, type TraceNode, type Value } from '../trace/graph.js';
import { matrixShape, productShape } from './coded-shapes.js';
import { heldBack } from './hold-back.js';
import type { Lowering } from './lowering.js';
import { inputAt, type OpRule } from './op-rule.js';

/** `quant_type` of the kernel. */
const quantTypes: Readonly<Record<FourBitLayout['type'], number>> = { fp4: 0, nf4: 1 };

export const linear4Bit: OpRule = {
  infer: productShape,
  lower: (onnx, node) => {
    const layout = node.attributes as unknown as FourBitLayout;
    const x = inputAt(node, 0);
    return product(onnx, onnx.use(x), parts(onnx, node, x), layout);
  },
};

/**
 * The kernel unpacks what it multiplies: 1 times the weight, taken as a single column [rows · columns, 1], is the weight, row
 * by row.
 */
export const dequantize4Bit: OpRule = {
  infer: matrixShape,
  lower: (onnx, node) => {
    const layout = node.attributes as unknown as FourBitLayout;
    const { rows, columns } = layout;
    const one = onnx.constant('float32', [1, 1], [1]);
    const column = { ...layout, rows: rows * columns, columns: 1 };
    return onnx.reshape(product(onnx, one, parts(onnx, node, inputAt(node, 0)), column), [rows, columns]);
  },
};

interface Parts {
  readonly codes: string;
  readonly absmax: string;
}

function product(onnx: Lowering, x: string, { codes, absmax }: Parts, layout: FourBitLayout): string {
  const { type, blockSize, rows, columns } = layout;
  const attributes = { K: columns, N: rows, block_size: blockSize, quant_type: quantTypes[type], transB: 1 };
  const [y] = onnx.node('MatMulBnb4', [x, codes, absmax], 1, { domain: 'com.microsoft', attributes });
  return y as string;
}

/** The codes as bytes, and the blocks' magnitudes, once `after` is known. */
function parts(onnx: Lowering, node: TraceNode, after: Value): Parts {
  return { codes: onnx.bytes(inputAt(node, 1)), absmax: absmaxOf(onnx, node, after) };
}

function absmaxOf(onnx: Lowering, { inputs, attributes }: TraceNode, after: Value): string {
  const { rows, columns, blockSize } = attributes as unknown as FourBitLayout;
  const blocks = Math.ceil((rows * columns) / blockSize);
  const [, , absmax, nested, offset] = inputs as readonly [Value, Value, Value, Value?, Value?];
  if (nested === undefined || offset === undefined) return heldBack(onnx, onnx.use(absmax), [blocks], after);
  // Not every GPU computes with bytes.
  const codes = heldBack(onnx, onnx.bytes(absmax), absmax.shape, after, false);
  const map = dynamicMap();
  const distances = onnx.op('Gather', [onnx.constant('float32', [map.length], map), onnx.cast(codes, 'int32')]);
  const expanded = onnx.op('Add', [onnx.op('Mul', [distances, onnx.use(nested)]), onnx.use(offset)]);
  const flat = onnx.reshape(expanded, [-1]);
  return elementCount(absmax.shape) === blocks
    ? flat
    : onnx.op('Slice', [flat, onnx.int64s([0]), onnx.int64s([blocks])]);
}
