import { elementCount } from '../parameters/handle.js';
import type { StoredSpec } from '../program/backend.js';

/** Bytes that a tensor takes in a store. bfloat16 is held as float32: no backend computes with the type. */
export function bytesInStore({ shape, dtype }: StoredSpec): number {
  return elementCount(shape) * (dtype === 'float16' ? 2 : dtype === 'bool' || dtype === 'uint8' ? 1 : 4);
}
