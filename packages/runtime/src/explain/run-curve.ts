import type { MetricsLine } from '../run/metrics-file.js';

/** A run's losses, as its metrics have them. */
export interface RunCurve {
  /** Steps that the run was to have; those that it has where nothing says. */
  readonly plannedSteps: number;
  /** Whether it came to an end of its own: not where it diverged, was stopped or still goes on. */
  readonly ended: boolean;
  /** Rows of a step. */
  readonly rows: number;
  /** Training loss, step by step. */
  readonly losses: readonly number[];
  readonly learningRates: readonly number[];
  /** Held-out loss, that before training included; none where nothing was held out. */
  readonly evaluations: readonly { readonly step: number; readonly loss: number }[];
}

/** The curve of a run's events. Those of a stage that does not yet train what the run is to give count like any others. */
export function curveOf(lines: readonly Pick<MetricsLine, 'type' | 'step'>[]): RunCurve {
  const all = lines as readonly MetricsLine[];
  const steps = all.filter((line) => line.type === 'step');
  const start = all.find((line) => line.type === 'start');
  const end = all.find((line) => line.type === 'end');
  return {
    plannedSteps: start?.steps ?? steps.length,
    ended: end !== undefined && end.reason !== 'aborted',
    rows: steps[0]?.rows ?? 0,
    losses: steps.map(({ loss }) => loss),
    learningRates: steps.map(({ learningRate }) => learningRate),
    evaluations: all.flatMap((line) => (line.type === 'evaluate' ? [{ step: line.step, loss: line.loss }] : [])),
  };
}
