import type { TaskMetric } from '../task/task.js';
import type { TrialOutcome } from '../trial/trial-result.js';

/** A trial that tried a learning rate. */
export interface RateTrial {
  readonly learningRate: number;
  readonly outcome: TrialOutcome;
}

/** The learning rate that did best on the validation split, by the task's metric and then the loss; null if all failed. */
export function chooseRate(trials: readonly RateTrial[], { name, higherIsBetter }: TaskMetric): number | null {
  const scored = trials.flatMap(({ learningRate, outcome }) => {
    if (outcome.status === 'failed') return [];
    const { metrics, loss } = outcome.measurement.quality.validation;
    const value = name === 'loss' ? loss : metrics[name];
    return [{ learningRate, loss, score: (value ?? Number.NaN) * (higherIsBetter ? 1 : -1) }];
  });
  const usable = scored.filter(({ score, loss }) => Number.isFinite(score) && Number.isFinite(loss));
  return usable.sort((a, b) => b.score - a.score || a.loss - b.loss)[0]?.learningRate ?? null;
}
