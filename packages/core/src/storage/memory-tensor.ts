import { TunesmithError } from '../errors/tunesmith-error.js';
import type { HostArray } from '../parameters/handle.js';
import { fromFloat32, toFloat32 } from './float-codecs.js';
import type { StoredDtype, StoredTensor } from './stored-tensor.js';

/**
 * Values in memory as a stored tensor, encoded when they are read: float32 as any type, int32 as I32, bytes as U8.
 * @throws SHAPE_MISMATCH when the values are not as many as the shape says.
 */
export function memoryTensor(
  name: string,
  shape: readonly number[],
  values: HostArray | Uint8Array,
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
  if (values instanceof Int32Array) return { name, dtype: 'I32', shape, read: async () => bytesOf(values.slice()) };
  if (values instanceof Uint8Array) return { name, dtype: 'U8', shape, read: async () => values.slice() };
  // F32 is not encoded, and whoever reads a tensor may write into what it got.
  const read = async () => fromFloat32(dtype, dtype === 'F32' ? values.slice() : values);
  return { name, dtype, shape, read };
}

/** Reads a stored tensor and decodes it to float32. */
export async function readFloat32(tensor: StoredTensor): Promise<Float32Array> {
  return toFloat32(tensor.dtype, await tensor.read());
}

/** Reads a stored tensor as it is: I32 as whole numbers, everything else as float32. */
export async function readHostArray(tensor: StoredTensor): Promise<HostArray> {
  if (tensor.dtype !== 'I32') return readFloat32(tensor);
  const bytes = await tensor.read();
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Int32Array(buffer, byteOffset, byteLength / 4);
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
