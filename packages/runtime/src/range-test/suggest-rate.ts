/** One step of a range test. */
export interface RangePoint {
  readonly learningRate: number;
  readonly loss: number;
}

/** What a range test says. */
export interface RateSuggestion {
  /** Where the smoothed loss falls most steeply; null where it falls nowhere. */
  readonly suggested: number | null;
  /** Where the smoothed loss is lowest. */
  readonly lowest: number;
  /** Whether it rises again within the range; if not, the range ends too early to show what is too high. */
  readonly turns: boolean;
  /** The smoothed losses, point by point. */
  readonly smoothed: readonly number[];
}

/** A loss is smoothed over this share of the points on either side: two of a hundred. */
const smoothedOver = 0.02;

/** A test is over when the loss is so many times its lowest (fastai's `LRFinder`: 4). */
const overAt = 4;

/** How much above its lowest, as a share of its whole fall, the smoothed loss has to end to have turned. */
const turnedAt = 0.05;

/** Where the loss has fallen by no more than this share, it falls nowhere. */
const noFall = 0.01;

/**
 * The learning rate to take, of a run whose rate rose exponentially: that at which the smoothed loss falls most steeply over
 * log(rate), before its lowest (Smith 2017, "Cyclical learning rates", §3.3; `steep` of fastai's `lr_find`). The slope at a
 * point is that of the line of least squares through the points within a twelfth of the range.
 */
export function suggestRate(points: readonly RangePoint[]): RateSuggestion {
  const smoothed = smooth(points.map(({ loss }) => loss));
  const lowestAt = smoothed.indexOf(Math.min(...smoothed));
  const [first, low, last] = [smoothed[0] as number, smoothed[lowestAt] as number, smoothed.at(-1) as number];
  const fall = Math.max(...smoothed.slice(0, lowestAt + 1)) - low;
  const reach = Math.max(1, Math.round(points.length / 12));
  let steepest = { slope: 0, at: -1 };
  for (let at = 0; at <= lowestAt; at++) {
    const from = Math.max(0, at - reach);
    const slope = slopeOf(smoothed.slice(from, Math.min(lowestAt, at + reach) + 1));
    if (slope < steepest.slope) steepest = { slope, at };
  }
  return {
    suggested: fall > noFall * first && steepest.at >= 0 ? (points[steepest.at] as RangePoint).learningRate : null,
    lowest: (points[lowestAt] as RangePoint).learningRate,
    turns: last - low > turnedAt * fall && fall > noFall * first,
    smoothed,
  };
}

/** Whether the loss is so high by now that higher rates need no trying. */
export function isOver(losses: readonly number[]): boolean {
  const smoothed = smooth(losses);
  return (smoothed.at(-1) ?? 0) > overAt * Math.min(...smoothed);
}

/** Each value's mean with its neighbours: unlike a running mean, it does not lag behind the rate. */
function smooth(losses: readonly number[]): number[] {
  const reach = Math.max(1, Math.round(losses.length * smoothedOver));
  return losses.map((_, at) => {
    const near = losses.slice(Math.max(0, at - reach), at + reach + 1);
    return near.reduce((sum, loss) => sum + loss, 0) / near.length;
  });
}

/** Of the line of least squares through values one apart. */
function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let [over, under] = [0, 0];
  for (const [index, value] of values.entries()) {
    over += (index - middle) * (value - mean);
    under += (index - middle) ** 2;
  }
  return under === 0 ? 0 : over / under;
}
