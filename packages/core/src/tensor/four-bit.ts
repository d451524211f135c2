import { dynamicMap } from '../storage/dynamic-map.js';
import { type FourBitType, fourBitValues } from '../storage/four-bit-tables.js';
import { defineOp } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

/** A weight [rows, columns] in 4 bits a value, flattened row by row into blocks. */
export interface FourBitLayout {
  readonly type: FourBitType;
  readonly blockSize: number;
  readonly rows: number;
  readonly columns: number;
}

/** The tensors of such a weight: its codes, and its blocks' magnitudes, in float32 or in 8 bits each. */
export type FourBitTensors =
  /** int32 of bytes `[⌈rows · columns / 2⌉]`, the first code in the high half; float32 `[blocks]`. */
  | readonly [codes: Tensor, absmax: Tensor]
  /** int32 of bytes `[n, 256]`, n = ⌈blocks / 256⌉, of which the first `blocks` count; float32 `[n, 1]`; float32 `[]`. */
  | readonly [codes: Tensor, absmaxCodes: Tensor, nestedAbsmax: Tensor, offset: Tensor];

type Inputs = readonly [Tensor, ...FourBitTensors];

const dequantizeOp = defineOp<FourBitLayout, Inputs>({
  name: 'Dequantize4Bit',
  compose: ([, ...weight], layout) => [compose(weight, layout)],
  gradient: (_, inputs) => inputs.map(() => null) as never,
});

/**
 * The weight [rows, columns] in float32, which no gradient goes through: `table[code] · absmax`. A compiling backend
 * computes it when `after` is known and not before, lest all layers' weights exist at once.
 */
export function dequantize4Bit(weight: FourBitTensors, layout: FourBitLayout, after?: Tensor): Tensor {
  // What is stored is always known.
  return dequantizeOp([after ?? (weight.at(-1) as Tensor), ...weight], layout)[0];
}

const linearOp = defineOp<FourBitLayout, Inputs>({
  name: 'Linear4Bit',
  compose: ([x, ...weight], layout) => [tf.matMul(x, compose(weight, layout), false, true)],
  gradient: ([dy], [, ...weight], _, layout) =>
    [() => tf.matMul(dy, dequantize4Bit(weight, layout, dy)), ...weight.map(() => null)] as never,
});

/**
 * x · weightᵀ over a frozen weight in 4 bits: x [.., columns] → [.., rows]. The gradient of x is dy · weight from the same
 * codes; the weight has none.
 */
export function linear4Bit(x: Tensor, weight: FourBitTensors, layout: FourBitLayout): Tensor {
  const lead = x.shape.slice(0, -1);
  const flat = x.rank === 2 ? x : tf.reshape(x, [-1, layout.columns]); // [n, columns]
  const y = linearOp([flat, ...weight], layout)[0]; // [n, rows]
  return x.rank === 2 ? y : tf.reshape(y, [...lead, layout.rows]);
}

function compose([codes, ...scales]: FourBitTensors, { type, blockSize, rows, columns }: FourBitLayout): Tensor {
  const count = rows * columns;
  const blocks = Math.ceil(count / blockSize);
  const high = tf.floorDiv(codes, tf.scalar(16, 'int32'));
  const low = tf.sub(codes, tf.mul(high, tf.scalar(16, 'int32')));
  const each = tf.reshape(tf.stack([high, low], 1), [-1]); // [2 · bytes]
  const values = tf.gather(tf.tensor1d(fourBitValues[type]), each as never);
  const padded = tf.pad(values, [[0, blocks * blockSize - values.size]]);
  const scaled = tf.mul(tf.reshape(padded, [blocks, blockSize]), tf.expandDims(absmaxOf(scales, blocks), 1));
  return tf.reshape(tf.slice(tf.reshape(scaled, [-1]), [0], [count]), [rows, columns]);
}

function absmaxOf(scales: readonly Tensor[], blocks: number): Tensor {
  const [absmax, nested, offset] = scales as [Tensor, Tensor?, Tensor?];
  if (nested === undefined || offset === undefined) return absmax;
  const distances = tf.gather(tf.tensor1d(dynamicMap()), absmax as never); // [n, 256]
  return tf.slice(tf.reshape(tf.add(tf.mul(distances, nested), offset), [-1]), [0], [blocks]);
}
