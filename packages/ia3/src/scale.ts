import type { MergeResult } from '@tunesmith/core';

/**
 * Whether a target scales its input. PEFT's rule, which is not its rule for targets: a list's entry matches every path
 * that ends with it, be there a dot before it or not (peft/tuners/ia3/model.py, `_check_target_module_feedforward`).
 */
export function isFeedforward(path: string, feedforward: string | readonly string[]): boolean {
  if (typeof feedforward === 'string') return new RegExp(`^(?:${feedforward})$`).test(path);
  return feedforward.some((name) => path.endsWith(name));
}

/** How far a quotient may be from the value it should give back, relative to it: two float32 roundings. */
const rounding = 2 ** -23;

/**
 * values[i] *= scale(i), or /= with sign −1, in double precision and rounded once. Irreversible where the rounded product
 * divided by the scale is not the value again: a scale of 0, or a product that left float32's range. (PEFT adds 1e-8 to
 * what it divides by, which is inexact everywhere.)
 */
export function rescale(values: Float32Array, scale: (index: number) => number, sign: 1 | -1): MergeResult {
  let reversible = true;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number;
    const factor = scale(index);
    if (sign === -1) {
      values[index] = value / factor;
      continue;
    }
    values[index] = value * factor;
    const back = (values[index] as number) / factor;
    // Not `>`: a quotient of 0 / 0 is NaN.
    if (!(Math.abs(back - value) <= rounding * Math.abs(value))) reversible = false;
  }
  return reversible ? true : 'irreversible';
}
