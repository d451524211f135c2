import type { Handle } from '@tunesmith/core';
import { expect, it } from 'vitest';
import { layerIndex } from './layer-index.js';

const weight = (path: string, depth: number | null = null): Handle => ({
  ...{ key: path, path, owner: 'base', kind: 'parameter', shape: [1], decay: false, depth, tags: [] },
});
const weights = [
  weight('embed'),
  weight('embedNorm'),
  weight('h.0.a', 0),
  weight('h.1.a', 1),
  weight('norm'),
  weight('head'),
];

it('places weights before, in and after the blocks, and what stands in for one where that lies', () => {
  const { layers, of } = layerIndex({ weights });
  expect(layers).toBe(2);
  expect(weights.map(of)).toEqual([-1, -1, 0, 1, 2, 2]);
  expect(of({ ...weight('head'), key: 'head/head', owner: 'head' })).toBe(2);
  expect(of({ ...weight('h.0.a.lora_A', 0), owner: 'lora' })).toBe(0);
});
