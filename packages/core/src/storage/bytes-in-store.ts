import { elementCount } from '../parameters/handle.js';
import type { StoredSpec } from '../program/backend.js';

/** Bytes that a tensor takes in a store. */
export function bytesInStore({ shape, dtype }: StoredSpec): number {
  return elementCount(shape) * bytesOfOne[dtype];
}

const bytesOfOne: Readonly<Record<StoredSpec['dtype'], number>> = {
  float32: 4,
  int32: 4,
  bfloat16: 2,
  float16: 2,
  uint8: 1,
  int8: 1,
  bool: 1,
};
