import { randomKey, randomUniform } from '@tunesmith/core';

/**
 * Which of `count` things, that come one after another, are kept in `size` places: each with the same chance, and as if nobody had known
 * how many would come (reservoir sampling, Vitter 1985, algorithm R). The places' contents after any number of things are what they
 * would be had no more come.
 */
export function reservoir(count: number, size: number, seed: number): Uint32Array {
  const key = randomKey(seed, 'reservoir');
  const kept = Uint32Array.from({ length: Math.min(count, size) }, (_, index) => index);
  for (let index = size; index < count; index++) {
    const place = Math.floor(randomUniform(key, index) * (index + 1));
    if (place < size) kept[place] = index;
  }
  return kept;
}
