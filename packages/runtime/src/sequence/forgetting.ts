/**
 * What was measured of a sequence of tasks: `losses[i][j]` is the held-out loss on task j after task i was learnt; row 0 is the model
 * as it was.
 */
export type LossMatrix = readonly (readonly number[])[];

export interface Forgetting {
  /**
   * How much of what was learnt of each task but the last is lost at the end: the last loss less the least since it was learnt, and 0 or
   * more (Chaudhry et al. 2018, arXiv:1801.10112, §3, with losses for accuracies).
   */
  readonly forgetting: readonly number[];
  /** Their mean; 0 of a single task. */
  readonly averageForgetting: number;
  /**
   * What later tasks did to earlier ones: the mean over all tasks but the last of the loss right after it was learnt less that at the
   * end (Lopez-Paz and Ranzato 2017, arXiv:1706.08840, eq. 3). Below 0 is forgetting.
   */
  readonly backwardTransfer: number;
  /** What earlier tasks did for later ones: the mean over all but the first of the loss of the model as it was less that before it is learnt (eq. 4). */
  readonly forwardTransfer: number;
  /** The mean loss over all tasks at the end. */
  readonly averageLoss: number;
}

/** Sums up a whole matrix: one row more than there are tasks. */
export function forgettingOf(losses: LossMatrix): Forgetting {
  const tasks = losses.length - 1;
  const at = (row: number, task: number): number => (losses[row] as readonly number[])[task] as number;
  const earlier = Array.from({ length: tasks - 1 }, (_, task) => task);
  const forgetting = earlier.map((task) => {
    const since = Array.from({ length: tasks - 1 - task }, (_, index) => at(task + 1 + index, task));
    return Math.max(0, at(tasks, task) - Math.min(...since));
  });
  return {
    forgetting,
    averageForgetting: mean(forgetting),
    backwardTransfer: mean(earlier.map((task) => at(task + 1, task) - at(tasks, task))),
    forwardTransfer: mean(earlier.map((task) => at(0, task + 1) - at(task + 1, task + 1))),
    averageLoss: mean(losses.at(-1) ?? []),
  };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
