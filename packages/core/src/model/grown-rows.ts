import { elementCount } from '../parameters/handle.js';
import { fromFloat32, toFloat32 } from '../storage/float-codecs.js';
import type { StoredTensor } from '../storage/stored-tensor.js';

/**
 * A tensor with rows added up to a count, each the mean of those that there are, as transformers'
 * `resize_token_embeddings` has it (`mean_resizing`), without its noise of 1e-9 of their covariance: whoever grows the same
 * tensor gets the same rows.
 */
export function withGrownRows(tensor: StoredTensor, rows: number): StoredTensor {
  const { name, dtype, shape } = tensor;
  const [known = 0, ...row] = shape;
  return {
    ...{ name, dtype, shape: [rows, ...row] },
    async read() {
      const before = await tensor.read();
      const mean = meanRow(toFloat32(dtype, before), known, elementCount(row));
      const added = new Float32Array((rows - known) * mean.length);
      for (let index = 0; index < rows - known; index++) added.set(mean, index * mean.length);
      const after = fromFloat32(dtype, added);
      const bytes = new Uint8Array(before.byteLength + after.byteLength);
      bytes.set(before);
      bytes.set(after, before.byteLength);
      return bytes;
    },
  };
}

/** Summed in 64 bits: a vocabulary has many rows, whose mean is near zero. */
function meanRow(values: Float32Array, rows: number, width: number): Float32Array {
  const sums = new Float64Array(width);
  for (let index = 0; index < values.length; index++) {
    const column = index % width;
    sums[column] = (sums[column] as number) + (values[index] as number);
  }
  return Float32Array.from(sums, (sum) => sum / rows);
}
