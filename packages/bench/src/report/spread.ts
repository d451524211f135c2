import { mean, sampleStandardDeviation } from 'simple-statistics';
import { studentTable } from './student-table.js';

/** A mean over seeds, and how far it may be off. */
export interface Spread {
  readonly mean: number;
  /** Half of the 95 % interval of the mean; null for a single value, of which nobody knows. */
  readonly half: number | null;
  readonly values: readonly number[];
}

/** The mean and its interval by Student's t: x̄ ± t·s/√n. Null without values. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const all = [...values];
  if (all.length === 1) return { mean: all[0] as number, half: null, values };
  const t = studentTable[all.length - 2] ?? 1.96;
  return { mean: mean(all), half: (t * sampleStandardDeviation(all)) / Math.sqrt(all.length), values };
}
