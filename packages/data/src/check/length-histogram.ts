export interface LengthBin {
  /** Lengths from here… */
  readonly from: number;
  /** …to here, both included. */
  readonly to: number;
  readonly count: number;
}

/** How long examples are, in tokens, before anything is cut. */
export interface LengthHistogram {
  readonly min: number;
  readonly median: number;
  readonly p95: number;
  readonly max: number;
  /** Doubling ranges, from the first to the last that is not empty. */
  readonly bins: readonly LengthBin[];
}

/** Quantiles are by nearest rank: an example of that length exists. */
export function lengthHistogram(lengths: readonly number[]): LengthHistogram {
  const sorted = Float64Array.from(lengths).sort();
  const at = (quantile: number) => sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] ?? 0;
  const [min, max] = [at(0), at(1)];
  const bins: LengthBin[] = [];
  for (let from = 1, to = 15; from <= max; from = to + 1, to = 2 * from - 1) {
    const count = sorted.filter((length) => length >= from && length <= to).length;
    if (bins.length > 0 || count > 0) bins.push({ from, to, count });
  }
  return { min, median: at(0.5), p95: at(0.95), max, bins };
}
