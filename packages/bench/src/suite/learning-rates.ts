import { TunesmithError } from '@tunesmith/core';
import type { Suite } from './suite-schema.js';

/**
 * The learning rates that a method may try, ascending: those that the suite lists, or c·f^k around the method's own default
 * c, k from −⌊(n − 1)/2⌋. Every method gets the same number.
 * @throws CONFIG_INVALID where the suite lists another number
 */
export function learningRatesOf(suite: Suite, method: string, ownDefault: number): number[] {
  const { trials, factor } = suite.tuning;
  const listed = suite.methods[method]?.learningRates;
  if (listed === undefined) {
    const first = -Math.floor((trials - 1) / 2);
    return Array.from({ length: trials }, (_, index) =>
      Number((ownDefault * factor ** (first + index)).toPrecision(3)),
    );
  }
  if (listed.length === trials) return [...listed].sort((a, b) => a - b);
  throw new TunesmithError('CONFIG_INVALID', 'every method gets the same number of trials', {
    where: `methods.${method}.learningRates`,
    expected: `${trials} (tuning.trials)`,
    got: String(listed.length),
  });
}
