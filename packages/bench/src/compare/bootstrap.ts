import { createRandom } from '@tunesmith/core';
import { mean, quantileSorted } from 'simple-statistics';

/** What of resampling is drawn how often; enough for the second digit of an interval's ends. */
const resamples = 4000;

/** A mean difference, b − a, and the 95 % interval that resampling gives of it. */
export interface Difference {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Whether the same seeds are compared with each other, or two groups. */
  readonly paired: boolean;
}

/** Values by seed. */
export type BySeed = ReadonlyMap<number, number>;

/**
 * The difference of two means and its percentile bootstrap interval (Efron, 1979): over the differences of seeds where both
 * sides have the same ones, over each side by itself otherwise. Null with fewer than two values on a side, of which nobody
 * knows the noise. The same values give the same interval.
 */
export function bootstrapDifference(a: BySeed, b: BySeed): Difference | null {
  if (a.size < 2 || b.size < 2) return null;
  const paired = a.size === b.size && [...a.keys()].every((seed) => b.has(seed));
  if (paired) {
    const differences = [...a].map(([seed, value]) => (b.get(seed) as number) - value);
    return { ...intervalOf((draw) => mean(draw(differences))), mean: mean(differences), paired };
  }
  const [before, after] = [[...a.values()], [...b.values()]];
  return { ...intervalOf((draw) => mean(draw(after)) - mean(draw(before))), mean: mean(after) - mean(before), paired };
}

/**
 * How often, resampling, the mean of the first is above that of each of the others: how sure it is that it is the best.
 * Null with fewer than two values anywhere.
 */
export function shareBest(best: readonly number[], others: readonly (readonly number[])[]): number | null {
  if ([best, ...others].some(({ length }) => length < 2)) return null;
  const draw = createDraw();
  let first = 0;
  for (let index = 0; index < resamples; index++) {
    const reached = mean(draw(best));
    if (others.every((other) => mean(draw(other)) <= reached)) first++;
  }
  return first / resamples;
}

type Draw = (values: readonly number[]) => number[];

function createDraw(): Draw {
  const random = createRandom(0, 'bootstrap');
  return (values) => values.map(() => values[random.between(0, values.length - 1)] as number);
}

function intervalOf(statistic: (draw: Draw) => number): { readonly low: number; readonly high: number } {
  const draw = createDraw();
  const drawn = Array.from({ length: resamples }, () => statistic(draw)).sort((x, y) => x - y);
  return { low: quantileSorted(drawn, 0.025), high: quantileSorted(drawn, 0.975) };
}
