import { elementCount } from '../parameters/handle.js';
import type { HostTensor, StoredSpec } from '../program/backend.js';

/** Zeros of a type and shape. */
export function zeroTensor({ dtype, shape }: StoredSpec): HostTensor {
  const size = elementCount(shape);
  switch (dtype) {
    case 'float32':
      return { dtype, shape, data: new Float32Array(size) };
    case 'int32':
      return { dtype, shape, data: new Int32Array(size) };
    case 'bool':
    case 'uint8':
      return { dtype, shape, data: new Uint8Array(size) };
    case 'int8':
      return { dtype, shape, data: new Int8Array(size) };
    default:
      return { dtype, shape, data: new Uint16Array(size) };
  }
}
