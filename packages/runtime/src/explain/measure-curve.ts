import type { RunCurve } from './run-curve.js';

/** What the rules read of a curve. Losses are in the objective's units; shares are of 1. */
export interface CurveMeasures {
  /** Training loss of the first steps and of the last tenth. */
  readonly firstLoss: number;
  readonly lastLoss: number;
  /** How much of the first loss is gone by the end: (first − last) / first, of the held-out loss where there is one. */
  readonly fall: number;
  /** The highest training loss, smoothed over a tenth of the run, as a multiple of the first, or of the held-out one before. */
  readonly highest: number;
  /** The greatest rise of the smoothed training loss above what it had come down to, as a share of the first. */
  readonly rise: number;
  /**
   * How fast the loss still falls in the last third, up to its least there: its share of the whole fall over the share of all learning (the sum of the
   * learning rates) that was done there. 1 is as fast as on average, so that a rate that a schedule brings down does not pass
   * for a loss that has settled.
   */
  readonly lateSpeed: number;
  /** The deviation of a step's loss from those beside it, as a share of the loss, in the second half. */
  readonly noise: number;
  /** The least held-out loss: where it is, as a share of the run, and by what share the last one is above it; null without any. */
  readonly bestAt: number | null;
  readonly aboveBest: number | null;
  /** From which share of the run on the held-out loss is within a fiftieth of its least; null without any. */
  readonly settledAt: number | null;
  /** By what share training loss falls from where the held-out loss is least to the end. */
  readonly fallAfterBest: number | null;
}

/** Deviation of a normal variable from the median of its absolute differences to an independent one like it. */
const deviationOfDifference = 1 / (0.6745 * Math.SQRT2);

/** Held-out losses this near to each other count as the same. */
const same = 0.02;

/** Takes a curve's measures. The curve has at least one step. */
export function measureCurve({ losses, learningRates, evaluations }: RunCurve): CurveMeasures {
  const count = losses.length;
  const window = Math.max(3, Math.round(count / 10));
  const smoothed = runningMeans(losses, window);
  const firstLoss = mean(losses.slice(0, 2));
  const lastLoss = mean(losses.slice(-window));
  const before = evaluations.find(({ step }) => step === 0)?.loss ?? firstLoss;
  const [start, end] = evaluations.length > 1 ? [before, evaluations.at(-1)?.loss ?? lastLoss] : [firstLoss, lastLoss];
  const level = Math.max(Math.abs(firstLoss), Math.abs(before));
  return {
    firstLoss,
    lastLoss,
    fall: (start - end) / Math.abs(start),
    highest: Math.max(...smoothed) / level,
    rise: greatestRise(smoothed) / level,
    lateSpeed: lateSpeed(
      evaluations.length > 3 ? evaluations : smoothed.map((loss, index) => ({ step: index + 1, loss })),
      learningRates,
    ),
    noise: noiseOf(losses.slice(Math.floor(count / 2))),
    ...heldOut(evaluations, smoothed),
  };
}

function heldOut(
  evaluations: RunCurve['evaluations'],
  smoothed: readonly number[],
): Pick<CurveMeasures, 'bestAt' | 'aboveBest' | 'settledAt' | 'fallAfterBest'> {
  const last = evaluations.at(-1);
  if (last === undefined || last.step === 0) {
    return { bestAt: null, aboveBest: null, settledAt: null, fallAfterBest: null };
  }
  const best = evaluations.reduce((least, each) => (each.loss < least.loss ? each : least));
  const settled = evaluations.find(({ loss }) => loss <= best.loss * (1 + same)) as { step: number };
  const at = (step: number): number => smoothed[Math.min(smoothed.length, Math.max(1, step)) - 1] as number;
  return {
    bestAt: best.step / last.step,
    aboveBest: last.loss / best.loss - 1,
    settledAt: settled.step / last.step,
    fallAfterBest: 1 - at(last.step) / at(best.step),
  };
}

/** See `CurveMeasures.lateSpeed`; 0 or less of a loss that falls no more. */
function lateSpeed(points: RunCurve['evaluations'], learningRates: readonly number[]): number {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const at = Math.max(
    0,
    points.findLastIndex(({ step }) => step <= (2 / 3) * last.step),
  );
  const from = points[at] as { step: number; loss: number };
  const least = Math.min(...points.slice(at + 1).map(({ loss }) => loss));
  if (first.loss <= least) return 0;
  const learnt = (steps: readonly number[]): number => steps.reduce((sum, rate) => sum + rate, 0);
  const late = learnt(learningRates.slice(from.step, last.step)) / learnt(learningRates.slice(first.step, last.step));
  return (from.loss - least) / (first.loss - least) / late;
}

/** The most that values rise above the least before them. */
function greatestRise(values: readonly number[]): number {
  let [least, greatest] = [Number.POSITIVE_INFINITY, 0];
  for (const value of values) {
    least = Math.min(least, value);
    greatest = Math.max(greatest, value - least);
  }
  return greatest;
}

/** By the median of differences, which neither a trend nor a few spikes move much. */
function noiseOf(losses: readonly number[]): number {
  const differences = losses.slice(1).map((loss, index) => Math.abs(loss - (losses[index] as number)));
  return differences.length === 0 ? 0 : (median(differences) * deviationOfDifference) / Math.abs(mean(losses));
}

/** The mean of each value and those before it, `window` in all. */
function runningMeans(values: readonly number[], window: number): number[] {
  return values.map((_, index) => mean(values.slice(Math.max(0, index - window + 1), index + 1)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : mean(sorted.slice(middle - 1, middle + 1));
}
