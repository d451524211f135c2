import { createRandom } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { isOver, type RangePoint, suggestRate } from './suggest-rate.js';

/** Rates from 1e-7 to 1e-3 in a hundred steps, and a loss of each. */
function curve(lossAt: (exponent: number) => number, noise = 0): RangePoint[] {
  const random = createRandom(1, 'curve');
  return Array.from({ length: 100 }, (_, index) => {
    const exponent = -7 + (4 * index) / 99;
    return { learningRate: 10 ** exponent, loss: lossAt(exponent) + noise * (random.between(0, 1000) / 1000 - 0.5) };
  });
}

/** Falls by 2 about a rate, as a step smoothed over half a decade. */
const fallAt = (centre: number) => (exponent: number) => 4 - 2 / (1 + Math.exp(-8 * (exponent - centre)));

describe('suggestRate', () => {
  it.each([-6, -5, -4])('finds where the loss falls most steeply, at 1e%d', (centre) => {
    const { suggested, turns } = suggestRate(curve(fallAt(centre), 0.1));
    expect(Math.log10(suggested as number)).toBeCloseTo(centre, 0);
    expect(Math.abs(Math.log10(suggested as number) - centre)).toBeLessThan(0.15);
    expect(turns).toBe(false);
  });

  it('takes nothing beyond the lowest loss, and sees that it turns', () => {
    const up = (exponent: number): number => fallAt(-5)(exponent) + 30 * Math.max(0, exponent + 4) ** 2;
    const { suggested, lowest, turns } = suggestRate(curve(up));
    expect(Math.abs(Math.log10(suggested as number) + 5)).toBeLessThan(0.15);
    expect(lowest).toBeGreaterThan(5e-5);
    expect(lowest).toBeLessThan(2e-4);
    expect(turns).toBe(true);
  });

  it('suggests nothing where the loss falls nowhere', () => {
    expect(suggestRate(curve(() => 3))).toMatchObject({ suggested: null, turns: false });
    expect(suggestRate(curve((exponent) => 3 + 0.1 * exponent ** 2 * (exponent > -5 ? 1 : 0)))).toMatchObject({
      suggested: null,
    });
  });
});

it('isOver once the loss is four times its lowest', () => {
  const flat = Array.from({ length: 30 }, () => 1);
  expect(isOver(flat)).toBe(false);
  expect(isOver([...flat, 3, 3, 3])).toBe(false);
  expect(isOver([...flat, 5, 5, 5])).toBe(true);
});
