import { type RandomKey, randomUniform } from '@tunesmith/core';

/**
 * The ⌊density · n⌋ values of the largest magnitude, the rest 0; of equals the first stay
 * (magnitude_based_pruning in peft/utils/merge_utils.py).
 */
export function keepLargest(values: Float64Array, density: number): Float64Array {
  if (density >= 1) return values;
  const count = Math.floor(density * values.length);
  const order = Uint32Array.from(values, (_, index) => index).sort(
    (one, other) => Math.abs(values[other] as number) - Math.abs(values[one] as number) || one - other,
  );
  const kept = new Float64Array(values.length);
  for (const index of order.subarray(0, count)) kept[index] = values[index] as number;
  return kept;
}

/**
 * Drops each value with probability 1 − density and scales the rest by 1 / density, so that the expectation stays
 * (DARE, Yu et al. 2024, eq. 3). What is dropped depends on the key and the place alone.
 */
export function dropAndRescale(values: Float64Array, density: number, key: RandomKey): Float64Array {
  if (density >= 1) return values;
  return values.map((value, index) => (randomUniform(key, index) < density ? value / density : 0));
}
