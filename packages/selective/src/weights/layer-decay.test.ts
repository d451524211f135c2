import type { Handle } from '@tunesmith/core';
import { expect, it } from 'vitest';
import { layerDecayGroups } from './layer-decay.js';

const at = (depth: number): Handle => ({
  ...{ key: `${depth}`, path: '', owner: 'base', kind: 'parameter', shape: [1], decay: false, depth, tags: [] },
});
const index = { layers: 12, of: ({ depth }: Handle) => depth as number };

/** The worked example of base 2e-5, decay 0.95, twelve layers. */
it.each([
  [-1, 1.08072e-5],
  [0, 1.1376e-5],
  [5, 1.47018e-5],
  [11, 2e-5],
  [12, 2e-5],
])('gives layer %i the rate %f', (layer, rate) => {
  const group = layerDecayGroups(index, 0.95).find(({ match }) => match(at(layer)));
  expect(2e-5 * (group?.scale as number)).toBeCloseTo(rate, 10);
});

it('has no groups where all rates are the same', () => {
  expect(layerDecayGroups(index, 1)).toEqual([]);
});
