import type { RandomContext } from './keep-mask.js';
import { randomBits, randomKey } from './mixer.js';

/** What noise belongs to: a row of the data, or the step as a whole, the same for each of its micro-batches. */
export type NoiseScope = 'row' | 'step';

/**
 * Fills an array with noise, uniform in [0, 1) in steps of 2⁻²⁴. Keyed as dropout masks are: by seed, step, site and the
 * offset within a row of `shape` `[rows, ...]`, and with it by the row in the accumulated batch; noise of a step depends on
 * no row, and its offset is that in the whole.
 */
export function fillUniform(
  target: Float32Array,
  shape: readonly number[],
  site: string,
  scope: NoiseScope,
  { seed, step, firstRow }: RandomContext,
): void {
  const rows = scope === 'row' ? (shape[0] ?? 1) : 1;
  const perRow = target.length / rows;
  for (let row = 0; row < rows; row++) {
    const key = scope === 'row' ? randomKey(seed, step, firstRow + row, site) : randomKey(seed, step, 'step', site);
    for (let offset = 0; offset < perRow; offset++) {
      target[row * perRow + offset] = (randomBits(key, offset) >>> 8) / 0x100_0000;
    }
  }
}
