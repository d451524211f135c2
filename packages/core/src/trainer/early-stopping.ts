/** Stops a run whose evaluation no longer improves. */
export interface EarlyStopping {
  /** Evaluations in a row without an improvement before the run ends. */
  readonly patience: number;
  /** What counts as one: by how much the metric must fall below the best. */
  readonly minimumImprovement?: number;
}

/** What early stopping and the best checkpoint remember; part of every checkpoint. */
export interface BestSoFar {
  readonly value: number | null;
  readonly step: number | null;
  readonly evaluationsSince: number;
}

export const nothingYet: BestSoFar = { value: null, step: null, evaluationsSince: 0 };

/** Takes one evaluation's value (lower is better) into account. */
export function observe(best: BestSoFar, value: number, step: number, minimumImprovement = 0): BestSoFar {
  const improved = Number.isFinite(value) && (best.value === null || value < best.value - minimumImprovement);
  return improved ? { value, step, evaluationsSince: 0 } : { ...best, evaluationsSince: best.evaluationsSince + 1 };
}

export function shouldStop(best: BestSoFar, stopping: EarlyStopping | undefined): boolean {
  return stopping !== undefined && best.evaluationsSince >= stopping.patience;
}
