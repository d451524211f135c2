import { expect, it } from 'vitest';
import { layersOf } from './cut-layers.js';

it('spreads a number of layers evenly, the last among them', () => {
  expect(layersOf(1, 4)).toEqual([0]);
  expect(layersOf(2, 4)).toEqual([0, 3]);
  expect(layersOf(3, 12)).toEqual([0, 6, 11]);
  expect(layersOf(6, 12)).toEqual([0, 2, 4, 7, 9, 11]);
  expect(layersOf(4, 4)).toEqual([0, 1, 2, 3]);
});

it('keeps those that are named, in their order', () => {
  expect(layersOf([1, 3], 4)).toEqual([1, 3]);
  for (const [kept, of] of [
    [[3, 1], 4],
    [[1, 1], 4],
    [[4], 4],
    [[], 4],
    [5, 4],
    [0, 4],
  ] as const) {
    expect(() => layersOf(kept, of)).toThrow('CONFIG_INVALID at layers');
  }
});
