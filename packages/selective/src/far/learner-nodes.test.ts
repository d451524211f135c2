import { describe, expect, it } from 'vitest';
import { largestAt, nodeRows } from './learner-nodes.js';

describe('largestAt', () => {
  it('gives the places of the largest, in order, of equal ones the first', () => {
    const values = Float32Array.of(1, 4, 2, 4, 3, 1, 1, 1, 1, 4);
    expect(largestAt(values, 0.3)).toEqual([1, 3, 9]);
    expect(largestAt(values, 0.2)).toEqual([1, 3]);
    expect(largestAt(values, 0.6)).toEqual([0, 1, 2, 3, 4, 9]);
  });

  it('gives one at least', () => {
    expect(largestAt(Float32Array.of(1, 3, 2), 0.01)).toEqual([1]);
  });
});

describe('nodeRows', () => {
  it('reads rows of either layout', () => {
    const sizes = { inFeatures: 2, outFeatures: 3 };
    const [rows, columns] = [Float32Array.of(1, 2, 3, 4, 5, 6), Float32Array.of(1, 3, 5, 2, 4, 6)];
    expect([...nodeRows(rows, [0, 2], { ...sizes, layout: 'out-in' })]).toEqual([1, 2, 5, 6]);
    expect([...nodeRows(columns, [0, 2], { ...sizes, layout: 'in-out' })]).toEqual([1, 2, 5, 6]);
  });
});
