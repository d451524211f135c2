import type { TrialResult } from '../store/result-file.js';
import type { Measurement } from '../trial/trial-result.js';

/** How a number is written. */
export type Unit = 'share' | 'bytes' | 'seconds' | 'count' | 'nats' | 'joules' | 'money' | 'plain';

/** Something of a trial that methods are compared by. */
export interface Measure {
  readonly name: string;
  readonly label: string;
  readonly unit: Unit;
  readonly higherIsBetter: boolean;
  /** Whether only a trial that ran alone tells it. */
  readonly timed: boolean;
  /** Null where the trial did not measure it. */
  of(measured: Measurement, trial: TrialResult['trial']): number | null;
}

/** Costs and what else is measured of any task, beside its metric. */
export const measures: readonly Measure[] = [
  measure('loss', 'test loss', 'nats', ({ quality }) => quality.test.loss),
  measure('forgetting', 'forgetting, nats a token', 'nats', ({ quality }) => quality.forgetting?.change),
  timed('secondsPerStep', 'time of a step', 'seconds', ({ costs }) => costs.secondsPerStep),
  // Of all steps, though the trial that is timed alone takes only some of them.
  measure('trainSeconds', 'time of training', 'seconds', () => null),
  // Of what is measured elsewhere than in a trial.
  measure('heldOutLoss', 'held-out loss', 'nats', () => null),
  measure('generateSeconds', 'time of writing its rows', 'seconds', () => null),
  measure('totalSeconds', 'time with all that it was made from', 'seconds', () => null),
  measure('parameters', 'parameters', 'count', () => null),
  measure('modelBytes', 'size of the model', 'bytes', () => null),
  measure('answerSeconds', 'time of an answer', 'seconds', () => null),
  measure('money', 'money for training', 'money', () => null),
  timed('tokensPerSecond', 'tokens a second', 'count', ({ costs }) => costs.tokensPerSecond, true),
  { ...measure('peakBytes', 'peak memory', 'bytes', () => null), of: peakMemory },
  measure('plannedBytes', 'peak memory that plan said', 'bytes', ({ plan }) => plan?.peakBytes),
  measure('flops', 'floating-point operations', 'count', ({ costs }) => costs.flops),
  timed('joules', 'energy', 'joules', ({ costs }) => costs.joules),
  measure('trainedParameters', 'trained parameters', 'count', ({ size }) => size.trainedParameters),
  measure('adapterBytes', 'size of the adapter', 'bytes', ({ size }) => size.adapterBytes),
  timed('baseInference', 'forward pass of the base, s per 1,000 tokens', 'seconds', ({ inference }) => inference?.base),
  timed('inference', 'forward pass, s per 1,000 tokens', 'seconds', ({ inference }) => inference?.separate),
  timed('mergedInference', 'forward pass merged, s per 1,000 tokens', 'seconds', ({ inference }) => inference?.merged),
];

/** What quality is set against. */
export const costMeasures = [
  ...['money', 'trainSeconds', 'totalSeconds', 'peakBytes'],
  ...['adapterBytes', 'modelBytes', 'answerSeconds', 'forgetting'],
] as const;

/** The task's own metric. */
export function qualityMeasure({ metric }: TrialResult['trial']['task']): Measure {
  const { name, higherIsBetter } = metric;
  const of: Measure['of'] = ({ quality }) =>
    name === 'loss' ? quality.test.loss : (quality.test.metrics[name] ?? null);
  const unit = metric.ceiling === 1 ? 'share' : 'plain';
  return { name: 'quality', label: name, unit, higherIsBetter, timed: false, of };
}

/** The process's, or the device's where it has its own: what its driver tells is of all that runs there. */
function peakMemory(
  { costs: { devicePeakBytes, peakBytes } }: Measurement,
  { alone }: TrialResult['trial'],
): number | null {
  if (devicePeakBytes === null) return peakBytes;
  return alone ? devicePeakBytes : null;
}

type Read = (measured: Measurement) => number | null | undefined;

function measure(name: string, label: string, unit: Unit, read: Read): Measure {
  return { name, label, unit, higherIsBetter: false, timed: false, of: (measured) => read(measured) ?? null };
}

function timed(name: string, label: string, unit: Unit, read: Read, higherIsBetter = false): Measure {
  return { ...measure(name, label, unit, read), timed: true, higherIsBetter };
}
