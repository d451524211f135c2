import type { Unit } from './measures.js';
import type { Spread } from './spread.js';

/** A number of a measure and its interval, as people read them: `0.912 ± 0.014`; a lone value has none. */
export function formatSpread(spread: Spread | undefined, unit: Unit): string {
  if (spread === undefined) return '–';
  const { factor, suffix } = scaleOf(spread.mean, unit);
  const mean = spread.mean * factor;
  // Values that do not differ, but for rounding, have no interval worth writing.
  const half = (spread.half ?? 0) * factor > 1e-9 * Math.abs(mean) ? (spread.half as number) * factor : null;
  const digits = digitsFor(mean, half);
  const interval = half === null ? '' : ` ± ${half.toFixed(digits)}`;
  return `${mean.toFixed(digits)}${interval}${suffix}`;
}

/** One number of a measure. */
export function formatValue(value: number, unit: Unit): string {
  return formatSpread({ mean: value, half: null, values: [value] }, unit);
}

/** A learning rate, in powers of ten where it is small. */
export function formatRate(rate: number): string {
  return rate >= 0.01 ? String(Number(rate.toPrecision(3))) : rate.toExponential(2).replace(/\.?0+e/, 'e');
}

/** What a number of this size is divided by, and the unit's sign. */
export function scaleOf(value: number, unit: Unit): { readonly factor: number; readonly suffix: string } {
  if (unit === 'bytes' || unit === 'count') {
    const signs = unit === 'bytes' ? [' B', ' KB', ' MB', ' GB', ' TB'] : ['', ' K', ' M', ' G', ' T', ' P'];
    const power = Math.floor(Math.log10(Math.max(Math.abs(value), 1)) / 3);
    const at = Math.min(power, signs.length - 1);
    return { factor: 1000 ** -at, suffix: signs[at] as string };
  }
  if (unit === 'seconds') return Math.abs(value) < 1 ? { factor: 1000, suffix: ' ms' } : { factor: 1, suffix: ' s' };
  return { factor: 1, suffix: unit === 'joules' ? ' J' : '' };
}

/** Two digits of the interval, or three of a value without one. */
function digitsFor(mean: number, half: number | null): number {
  const [size, wanted] = half === null ? [Math.abs(mean), 3] : [half, 2];
  if (size === 0) return Number.isInteger(mean) ? 0 : 3;
  return Math.min(6, Math.max(0, wanted - 1 - Math.floor(Math.log10(size))));
}
