import type { MetricsLine } from '../run/metrics-file.js';

/** A loss at a step. */
export interface LossAt {
  readonly step: number;
  readonly loss: number;
}

/** An evaluation: its loss, and the metrics of what is predicted, where the objective has any. */
export interface EvaluatedAt extends LossAt {
  readonly metrics: Readonly<Record<string, number>>;
}

/** What a run came to. */
export interface RunResult {
  /** The run's folder. */
  readonly run: string;
  readonly reason: 'finished' | 'earlyStopping' | 'aborted';
  /** The step that it went on from: 0 for a new run. */
  readonly from: number;
  readonly step: number;
  readonly steps: number;
  /** Where the adapters lie, in the methods' order; none for a method that trains the model itself, or an aborted run. */
  readonly adapters: readonly string[];
  /** Whether they can be merged into the model's weights; false where there are none. */
  readonly mergeable: boolean;
  /** The trained model's folder, for a method that trains the model itself. */
  readonly model: string | null;
  /** The step whose weights were saved: the best one's, where there is held-out data. Null for an aborted run. */
  readonly savedStep: number | null;
  /** Loss on held-out text before training, and at the step that was saved (or the last evaluation). */
  readonly before: EvaluatedAt | null;
  readonly after: EvaluatedAt | null;
  /** Training loss of the first and the last step. */
  readonly firstStep: LossAt | null;
  readonly lastStep: LossAt | null;
  readonly totalTokens: number;
  readonly peakBytes: number;
}

/** What a run's metrics say of its losses. */
export function summarise(
  lines: readonly MetricsLine[],
  savedStep: number | null,
): Pick<RunResult, 'before' | 'after' | 'firstStep' | 'lastStep' | 'totalTokens' | 'peakBytes'> {
  const steps = lines.filter((line) => line.type === 'step');
  const evaluations = lines.filter((line) => line.type === 'evaluate');
  const at = (line: LossAt | undefined): LossAt | null =>
    line === undefined ? null : { step: line.step, loss: line.loss };
  const evaluatedAt = (line: EvaluatedAt | undefined): EvaluatedAt | null =>
    line === undefined ? null : { step: line.step, loss: line.loss, metrics: line.metrics };
  const before = evaluations.find(({ step }) => step === 0);
  const later = evaluations.filter(({ step }) => step > 0);
  return {
    before: evaluatedAt(before),
    after: evaluatedAt(later.find(({ step }) => step === savedStep) ?? later.at(-1)),
    firstStep: at(steps.at(0)),
    lastStep: at(steps.at(-1)),
    totalTokens: steps.at(-1)?.totalTokens ?? 0,
    peakBytes: Math.max(0, ...lines.map(({ peakBytes }) => peakBytes)),
  };
}
