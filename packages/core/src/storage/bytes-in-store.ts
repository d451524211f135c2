import { elementCount } from '../parameters/handle.js';
import type { StoredSpec } from '../program/backend.js';

/** Bytes that a tensor takes in a store. bfloat16 is held as float32: no backend computes with the type. */
export function bytesInStore({ shape, dtype }: StoredSpec): number {
  return elementCount(shape) * bytesOfOne[dtype];
}

const bytesOfOne: Readonly<Record<StoredSpec['dtype'], number>> = {
  float32: 4,
  bfloat16: 4,
  int32: 4,
  float16: 2,
  uint8: 1,
  int8: 1,
  bool: 1,
};
