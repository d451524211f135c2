import { type RandomKey, randomBits } from '@tunesmith/core';

const rounds = 6;

/**
 * Where a pseudo-random permutation of 0..size−1 sends `index`, without storing it.
 *
 * A Feistel network over the next power of four, in the manner of Luby and Rackoff (1988), walked until it lands in range
 * (cycle walking, Black and Rogaway 2002, "Ciphers with arbitrary finite domains"): at most four steps on average. The order
 * of an epoch is therefore a function of its key alone, and any place in it is reached at once.
 */
export function permuted(index: number, size: number, key: RandomKey): number {
  let bits = 1;
  while (4 ** bits < size) bits++;
  const mask = 2 ** bits - 1;
  let value = index;
  do {
    let left = Math.floor(value / (mask + 1));
    let right = value & mask;
    for (let round = 0; round < rounds; round++) {
      [left, right] = [right, left ^ (randomBits(key, round * 0x10000 + right) & mask)];
    }
    value = left * (mask + 1) + right;
  } while (value >= size);
  return value;
}
