import { randomBits, randomKey } from './mixer.js';

/** What a run's random draws depend on besides the site: rule F of the plugin contract. */
export interface RandomContext {
  readonly seed: number;
  /** The optimizer step, the same for every micro-batch of an accumulated batch. */
  readonly step: number;
  /** The index of this batch's first row in the accumulated batch. */
  readonly firstRow: number;
}

/**
 * Fills a dropout mask: 1 keeps an element, 0 drops it, each dropped with probability `rate` (to 1/65536).
 * `shape` is `[rows, ...]`; an element's bit depends on the seed, the step, its row in the accumulated batch, the
 * site's name and its offset within the row, and on nothing else.
 */
export function fillKeepMask(
  target: Uint8Array,
  shape: readonly number[],
  site: string,
  rate: number,
  { seed, step, firstRow }: RandomContext,
): void {
  const rows = shape[0] ?? 1;
  const perRow = target.length / rows;
  const threshold = Math.round(rate * 0x10000);
  for (let row = 0; row < rows; row++) {
    const key = randomKey(seed, step, firstRow + row, site);
    const start = row * perRow;
    for (let offset = 0; offset < perRow; offset += 2) {
      const bits = randomBits(key, offset >>> 1);
      target[start + offset] = (bits & 0xffff) >= threshold ? 1 : 0;
      if (offset + 1 < perRow) target[start + offset + 1] = bits >>> 16 >= threshold ? 1 : 0;
    }
  }
}
