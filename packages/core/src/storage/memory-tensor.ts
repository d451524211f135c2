import { TunesmithError } from '../errors/tunesmith-error.js';
import { fromFloat32, toFloat32 } from './float-codecs.js';
import type { StoredDtype, StoredTensor } from './stored-tensor.js';

/**
 * Float32 values in memory as a stored tensor, encoded when they are read.
 * @throws SHAPE_MISMATCH when the values are not as many as the shape says.
 */
export function memoryTensor(
  name: string,
  shape: readonly number[],
  values: Float32Array,
  dtype: StoredDtype = 'F32',
): StoredTensor {
  const elements = shape.reduce((product, size) => product * size, 1);
  if (elements !== values.length) {
    throw new TunesmithError('SHAPE_MISMATCH', 'the values do not fill the shape', {
      where: name,
      expected: `${elements} values for [${shape.join(', ')}]`,
      got: String(values.length),
    });
  }
  // F32 is not encoded, and whoever reads a tensor may write into what it got.
  const read = async () => fromFloat32(dtype, dtype === 'F32' ? values.slice() : values);
  return { name, dtype, shape, read };
}

/** Reads a stored tensor and decodes it to float32. */
export async function readFloat32(tensor: StoredTensor): Promise<Float32Array> {
  return toFloat32(tensor.dtype, await tensor.read());
}
