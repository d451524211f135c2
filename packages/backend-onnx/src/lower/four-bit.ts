/**
 * Weights in 4 bits, as com.microsoft.MatMulBnb4 has them: bytes with the first code in the high half, a float32 magnitude
 * for each block. The kernel multiplies by the transposed weight only: with transB = 0 it does so too, without a word.
 */
import { dynamicMap, type FourBitLayout, fourBitValues } from '@tunesmith/core';
import type { TraceNode, Value } from '../trace/graph.js';
import { heldBack } from './hold-back.js';
import type { Lowering } from './lowering.js';
import { inputAt, type OpRule } from './op-rule.js';

/** `quant_type` of the kernel. */
const quantTypes: Readonly<Record<FourBitLayout['type'], number>> = { fp4: 0, nf4: 1 };

/** The rows of the identity that the kernel multiplies to unpack a weight. */
const tile = 16;
/** How many magnitudes share one of their own. */
const nestedBlockSize = 256;

export const linear4Bit: OpRule = {
  infer: ([x], attributes) => {
    const { rows, columns } = attributes as unknown as FourBitLayout;
    const { shape } = x as Value;
    if (shape.at(-1) !== columns) throw new Error('the inner dimensions differ');
    return [{ shape: [...shape.slice(0, -1), rows], dtype: 'float32' }];
  },
  lower: (onnx, node) => {
    const layout = node.attributes as unknown as FourBitLayout;
    const x = inputAt(node, 0);
    const { rows, columns } = layout;
    if ((rows * columns) % 2 === 0) return product(onnx, onnx.use(x), parts(onnx, node, x), layout);
    return onnx.op('MatMul', [onnx.use(x), onnx.op('Transpose', [lookedUp(onnx, node)], { perm: [1, 0] })]);
  },
};

/**
 * The kernel unpacks what it multiplies: a 16 × 16 identity times the weight, taken as [rows · columns / 16, 16], is the
 * weight with its 16 columns as rows.
 */
export const dequantize4Bit: OpRule = {
  infer: (_, attributes) => {
    const { rows, columns } = attributes as unknown as FourBitLayout;
    return [{ shape: [rows, columns], dtype: 'float32' }];
  },
  lower: (onnx, node) => {
    const layout = node.attributes as unknown as FourBitLayout;
    const { rows, columns } = layout;
    const count = rows * columns;
    if (count % tile !== 0) return lookedUp(onnx, node);
    const identity = onnx.constant(
      'float32',
      [tile, tile],
      Array.from({ length: tile * tile }, (_, index) => (index % (tile + 1) === 0 ? 1 : 0)),
    );
    const after = inputAt(node, 0);
    const unpacked = product(onnx, identity, parts(onnx, node, after), {
      ...layout,
      rows: count / tile,
      columns: tile,
    });
    return onnx.reshape(onnx.op('Transpose', [unpacked], { perm: [1, 0] }), [rows, columns]);
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

function absmaxOf(onnx: Lowering, { inputs }: TraceNode, after: Value): string {
  const [, , absmax, nested, offset] = inputs as readonly [Value, Value, Value, Value?, Value?];
  const [blocks = 0] = absmax.shape;
  if (nested === undefined || offset === undefined) return heldBack(onnx, onnx.use(absmax), [blocks], after);
  const codes = heldBack(onnx, onnx.bytes(absmax), [blocks], after);
  const table = onnx.constant('float32', [nestedBlockSize], dynamicMap());
  const distances = onnx.op('Gather', [table, onnx.cast(codes, 'int32')]);
  return onnx.op('Add', [
    scaled(onnx, distances, blocks, onnx.use(nested), nested.shape[0] as number),
    onnx.use(offset),
  ]);
}

/** Each of the distances times the magnitude of its 256. */
function scaled(onnx: Lowering, distances: string, blocks: number, nested: string, count: number): string {
  if (blocks === count * nestedBlockSize) {
    const product = onnx.op('Mul', [
      onnx.reshape(distances, [count, nestedBlockSize]),
      onnx.reshape(nested, [count, 1]),
    ]);
    return onnx.reshape(product, [blocks]);
  }
  const repeated = onnx.op('Expand', [onnx.reshape(nested, [count, 1]), onnx.int64s([count, nestedBlockSize])]);
  const flat = onnx.reshape(repeated, [count * nestedBlockSize]);
  return onnx.op('Mul', [distances, onnx.op('Slice', [flat, onnx.int64s([0]), onnx.int64s([blocks])])]);
}

/** The weight looked up value by value, for shapes that the kernel does not take. */
function lookedUp(onnx: Lowering, node: TraceNode): string {
  const { type, blockSize, rows, columns } = node.attributes as unknown as FourBitLayout;
  const count = rows * columns;
  const absmax = inputAt(node, 2);
  const table = onnx.constant(
    'float32',
    [256, 2],
    Array.from(
      { length: 512 },
      (_, index) => fourBitValues[type][index % 2 === 0 ? index >> 5 : (index >> 1) % 16] as number,
    ),
  );
  const codes = onnx.cast(onnx.bytes(inputAt(node, 1)), 'int32');
  const values = onnx.reshape(onnx.op('Gather', [table, codes]), [-1]);
  const each = onnx.op('Slice', [values, onnx.int64s([0]), onnx.int64s([count])]);
  const [blocks = 0] = absmax.shape;
  const scales = onnx.op('Expand', [
    onnx.reshape(absmaxOf(onnx, node, inputAt(node, 0)), [blocks, 1]),
    onnx.int64s([blocks, blockSize]),
  ]);
  const scale = onnx.op('Slice', [onnx.reshape(scales, [-1]), onnx.int64s([0]), onnx.int64s([count])]);
  return onnx.reshape(onnx.op('Mul', [each, scale]), [rows, columns]);
}
