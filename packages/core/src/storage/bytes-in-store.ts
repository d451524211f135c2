import { elementCount } from '../parameters/handle.js';
import type { StoredSpec } from '../program/backend.js';

/** Bytes that a tensor takes in a store. */
export function bytesInStore({ shape, dtype }: StoredSpec): number {
  return (
    elementCount(shape) *
    (dtype === 'float16' || dtype === 'bfloat16' ? 2 : dtype === 'bool' || dtype === 'uint8' ? 1 : 4)
  );
}
