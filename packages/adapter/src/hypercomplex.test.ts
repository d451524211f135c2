import { type InitContext, randomKey } from '@tunesmith/core';
import { expect, it } from 'vitest';
import { checkDivisible } from './hypercomplex.js';
import { truncatedNormal } from './initialisation.js';

it('refuses sizes that it cannot make', () => {
  expect(() => checkDivisible([64, 6], 4, 'layer.0')).toThrow('6 features cannot be cut into 4 equal parts');
});

it('draws a truncated normal again and again until it is within two deviations', () => {
  const context = { shape: [100, 100], key: randomKey(1, 'x') } as unknown as InitContext;
  const values = truncatedNormal(0.01)(context) as Float32Array;
  expect(Math.max(...values.map((value) => Math.abs(value)))).toBeLessThanOrEqual(0.0200001);
  // The standard deviation of a normal distribution cut at two of its own: 0.8796 of it.
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  expect(deviation / 0.01).toBeCloseTo(0.8796, 1);
});
