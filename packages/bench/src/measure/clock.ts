import type { MetricsSink, TrainerEvent } from '@tunesmith/core';
import type { Measurement } from '../trial/trial-result.js';

type Curve = Measurement['curve'];

export interface TrainingTimes {
  /** Of all steps and what belongs to them, without evaluations and checkpoints; compiling is in it. */
  readonly trainSeconds: number;
  readonly evaluationSeconds: number;
  /** Median over the steps: the first of each shape compiles. */
  readonly secondsPerStep: number | null;
  readonly steps: number;
  readonly tokens: number;
  readonly rows: number;
  readonly residentBytes: { readonly mean: number; readonly percentile99: number } | null;
  readonly curve: Curve;
  readonly trainedParameters: number;
  readonly totalParameters: number;
}

/** Listens to a run, and tells training's time from that of evaluations and checkpoints. */
export function createClock(now: () => number = () => performance.now() / 1000): MetricsSink & {
  times(): TrainingTimes;
} {
  let last = now();
  let [trainSeconds, evaluationSeconds, tokens, rows, steps] = [0, 0, 0, 0, 0];
  let sizes = { trainedParameters: 0, totalParameters: 0 };
  const durations: number[] = [];
  const resident: number[] = [];
  const curve: Curve = [];
  let losses: number[] = [];
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

  return {
    write(event: TrainerEvent) {
      const seconds = now() - last;
      if (event.type === 'step') {
        trainSeconds += seconds;
        durations.push(seconds);
        resident.push(process.memoryUsage.rss());
        losses.push(event.loss);
        ({ totalTokens: tokens, step: steps } = event);
        rows += event.rows;
      } else if (event.type === 'evaluate') {
        evaluationSeconds += seconds;
        const trainLoss = losses.length === 0 ? null : mean(losses);
        curve.push({ step: event.step, trainLoss, validationLoss: event.loss, metrics: { ...event.metrics } });
        losses = [];
      } else if (event.type === 'stage') {
        trainSeconds += seconds;
      } else if (event.type === 'start') {
        sizes = { trainedParameters: event.trainedParameters, totalParameters: event.totalParameters };
      }
      last = now();
    },
    times: () => ({
      ...{ trainSeconds, evaluationSeconds, steps, tokens, rows, curve },
      secondsPerStep: durations.length === 0 ? null : percentile(durations, 0.5),
      residentBytes: resident.length === 0 ? null : { mean: mean(resident), percentile99: percentile(resident, 0.99) },
      ...sizes,
    }),
  };
}

/** The value that a share of the others does not exceed. */
function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] as number;
}
