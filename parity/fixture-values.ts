import { fileURLToPath } from 'node:url';
import { openSafetensors } from '@tunesmith/checkpoints';
import { readFloat32, type StoredTensor } from '@tunesmith/core';

/** The folder that holds the recorded tensors. */
export const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));

/** A whole safetensors file as float32 arrays by name. */
export async function readFixture(path: string): Promise<Map<string, Float32Array>> {
  const file = await openSafetensors(path);
  const values = new Map<string, Float32Array>();
  for (const name of file.names()) values.set(name, await readFloat32(file.get(name) as StoredTensor));
  await file.close();
  return values;
}

/** Largest absolute difference relative to the largest expected magnitude; infinite where the lengths differ. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  let largest = Number.MIN_VALUE;
  for (let index = 0; index < expected.length; index++) {
    worst = Math.max(worst, Math.abs((got[index] as number) - (expected[index] as number)));
    largest = Math.max(largest, Math.abs(expected[index] as number));
  }
  return worst / largest;
}
