import {
  type Batch,
  type CollateOptions,
  type HostTensor,
  type LossTerm,
  type Model,
  type Named,
  type Objective,
  type Row,
  sft,
  type Tensor,
  type Trace,
  TunesmithError,
  tf,
  tokenColumns,
  weightedTargets,
} from '@tunesmith/core';
import { z } from 'zod';

export const tasksOption = z
  .array(z.string().min(1))
  .min(2)
  .refine((names) => new Set([...names, 'loss']).size === names.length + 1, 'expected names of their own, none `loss`')
  .describe('What the tasks are called, in the order of the files of `data.train`. A recipe has to name them.');

/** How tasks' losses are weighed in training: scalars, in the tasks' order. */
export interface Weighting {
  weigh(model: Model, t: Trace): readonly Tensor[];
  /** What is added to a task's loss, as uncertainty's regulariser; nothing if not said. */
  add?(model: Model, t: Trace): readonly Tensor[];
}

const normalizerOf = (task: number): string => `task${task}`;

/**
 * What all objectives of several tasks share: Σ wₖ·Lₖ is trained, with Lₖ = Σ w·(−log p) / Σ w over the targets of task k, which is
 * reported under the task's name. The loss that is reported, and evaluated, is the mean over all targets as `sft` has it.
 *
 * Columns: those of `sft`, and `taskWeights` float32 `[count, tasks]`, the targets' weights in the column of their task.
 */
export function tasksObjective(
  tasks: readonly string[],
  weighting: Weighting,
): Pick<Objective, 'tasks' | 'collate' | 'losses'> {
  return {
    tasks: tasks.length,
    collate: (rows, options) => collateTasks(tasks, rows, options),
    losses(model, columns, t) {
      const each = lossesOf(model, columns, t, tasks.length);
      const all = tf.sum(columns.targetWeights as Tensor);
      const own = tf.unstack(tf.sum(columns.taskWeights as Tensor, 0)); // a task's weights in this batch
      const reported = [
        { name: 'loss', sum: tf.addN(each), per: 'weight', weight: 0 },
        ...each.map((sum, task) => ({ name: tasks[task] as string, sum, per: normalizerOf(task), weight: 0 })),
      ];
      if (!t.training) return reported;
      const [weights, added] = [weighting.weigh(model, t), weighting.add?.(model, t) ?? []];
      return [
        ...reported,
        ...weights.flatMap((weight, task): LossTerm[] => {
          const weighed = tf.mul(weight, each[task] as Tensor);
          const more = added[task];
          // Added once, however many batches a step has: each in the share of the task's weights that it holds.
          const sum = more === undefined ? weighed : tf.add(weighed, tf.mul(more, own[task] as Tensor));
          return [
            { name: `weighted.${tasks[task]}`, sum, per: normalizerOf(task) },
            { name: `weight.${tasks[task]}`, sum: tf.mul(weight, all), per: 'weight', weight: 0 },
          ];
        }),
      ];
    },
  };
}

/** A control's values `[tasks]` as scalars. */
export function controlled(t: Trace, name: string): Tensor[] {
  return tf.unstack(t.control(name));
}

/** Σ w·(−log p) over the targets of each task. */
function lossesOf(model: Model, columns: Named<Tensor>, t: Trace, tasks: number): Tensor[] {
  const run = model.run(t, tokenColumns(columns));
  const logProbs = run.logProbs(columns.targetPositions as Tensor, columns.targets as Tensor); // [count]
  const sums = tf.matMul(tf.reshape(tf.neg(logProbs), [1, -1]), columns.taskWeights as Tensor); // [1, tasks]
  return tf.unstack(tf.reshape(sums, [tasks]));
}

function collateTasks(tasks: readonly string[], rows: readonly Row[], options: CollateOptions): Batch {
  const batch = sft.collate(rows, options);
  const [, length = 0] = batch.columns.ids?.shape ?? [];
  const [count = 0] = batch.columns.targets?.shape ?? [];
  const data = new Float32Array(count * tasks.length);
  const sums = tasks.map(() => 0);
  for (const [index, { row, weight }] of weightedTargets(rows, length).entries()) {
    const task = taskOf(rows[row] as Row, tasks, options);
    if (task === undefined) continue;
    data[index * tasks.length + task] = weight;
    sums[task] = (sums[task] as number) + weight;
  }
  const taskWeights: HostTensor = { dtype: 'float32', shape: [count, tasks.length], data };
  return {
    ...batch,
    columns: { ...batch.columns, taskWeights },
    normalizers: {
      ...batch.normalizers,
      ...Object.fromEntries(sums.map((sum, task) => [normalizerOf(task), sum])),
    },
  };
}

/** A row's task; undefined of one that doesn't say, which can be evaluated only. @throws DATA_INVALID */
function taskOf({ task }: Row, tasks: readonly string[], { random }: CollateOptions): number | undefined {
  if (task !== undefined && task < tasks.length) return task;
  if (task === undefined && random === undefined) return undefined;
  throw new TunesmithError('DATA_INVALID', 'a row is of none of the tasks that the objective names', {
    expected: `task 0 to ${tasks.length - 1}, as data.taskTemperature gives it to the rows of each training file`,
    got: task === undefined ? 'no task' : String(task),
  });
}
