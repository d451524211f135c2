import { leastAbsmax, midpoints } from '../storage/block-quantization.js';
import { dynamicMap } from '../storage/dynamic-map.js';
import { type Tensor, tf } from './tfjs.js';

/** Values of a flattened tensor that share a magnitude. */
export const dynamicBlockSize = 256;

/** A tensor in 8 bits a value, of one of bitsandbytes' dynamic types: `table[code] · absmax`. */
export interface DynamicBlocks {
  /** int32 of bytes `[256 · blocks]`; the last block is filled up. */
  readonly codes: Tensor;
  /** float32 `[blocks]`. */
  readonly absmax: Tensor;
}

/** The values, float32 of the shape. */
export function dequantizeDynamic({ codes, absmax }: DynamicBlocks, shape: readonly number[], signed: boolean): Tensor {
  const rows = tf.reshape(codes, [-1, dynamicBlockSize]); // [blocks, 256]
  const values: Tensor = tf.gather(tf.tensor1d(dynamicMap(signed)), rows as never);
  const scaled = tf.reshape(tf.mul(values, tf.expandDims(absmax, 1)), [-1]);
  const size = shape.reduce((product, each) => product * each, 1);
  return tf.reshape(size === scaled.size ? scaled : tf.slice(scaled, [0], [size]), [...shape]);
}

/**
 * Each value divided by its block's largest magnitude, as the nearest value of the table; of one half-way between two, the
 * lower (bitsandbytes/backends/default/ops.py, `quantize_blockwise`). Without signs, what is not 0 does not become it, unlike
 * there: a mean over the root of a variance that was rounded to 0 is a step of any length.
 */
export function quantizeDynamic(values: Tensor, signed: boolean): DynamicBlocks {
  const blocks = Math.ceil(values.size / dynamicBlockSize);
  const flat = tf.reshape(values, [-1]);
  const missing = blocks * dynamicBlockSize - values.size;
  const filled = missing === 0 ? flat : tf.pad(flat, [[0, missing]]);
  const rows = tf.reshape(filled, [blocks, dynamicBlockSize]);
  const absmax = tf.max(tf.abs(rows), 1); // [blocks]
  const quotients = tf.mul(rows, tf.expandDims(tf.div(1, tf.maximum(absmax, leastAbsmax)), 1));
  const bounds = midpoints(dynamicMap(signed));
  if (!signed) bounds[0] = 0;
  return { codes: tf.reshape(countBelow(quotients, bounds), [-1]), absmax };
}

/** How many of 255 sorted bounds are below each value, int32 of the same shape: by halving what is left, eight times. */
function countBelow(values: Tensor, bounds: Float32Array): Tensor {
  const table = tf.tensor1d(bounds);
  let count: Tensor = tf.zeros(values.shape, 'int32');
  for (let half = 128; half >= 1; half /= 2) {
    const bound: Tensor = tf.gather(table, tf.add(count, tf.scalar(half - 1, 'int32')) as never);
    const isAbove = tf.cast(tf.greater(values, bound), 'int32');
    count = tf.add(count, half === 1 ? isAbove : tf.mul(isAbove, tf.scalar(half, 'int32')));
  }
  return count;
}
