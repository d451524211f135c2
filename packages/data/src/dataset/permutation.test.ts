import { randomKey } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { permuted } from './permutation.js';

const order = (size: number, ...parts: number[]) =>
  Array.from({ length: size }, (_, index) => permuted(index, size, randomKey(...parts)));

describe('permuted', () => {
  it.each([1, 2, 3, 4, 5, 16, 17, 1000, 4097])('reaches each of %i places once', (size) => {
    expect(order(size, 1).sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, index) => index));
  });

  it('is in range where 32 bits are not enough', () => {
    const size = 3_000_000_000;
    const values = Array.from({ length: 50 }, (_, index) => permuted(size - 1 - index, size, randomKey(3)));
    expect(new Set(values).size).toBe(50);
    for (const value of values) expect(value >= 0 && value < size).toBe(true);
  });

  it('depends on the key, and leaves neither neighbours nor halves together', () => {
    expect(order(1000, 1, 0)).toEqual(order(1000, 1, 0));
    expect(order(1000, 1, 0)).not.toEqual(order(1000, 1, 1));
    const values = order(1000, 7);
    const neighbours = values.filter((value, index) => index > 0 && Math.abs(value - values[index - 1]!) === 1);
    expect(neighbours.length).toBeLessThan(12); // 2 are expected
    const low = values.slice(0, 500).filter((value) => value < 500).length;
    expect(Math.abs(low - 250)).toBeLessThan(40); // 5 standard deviations
  });
});
