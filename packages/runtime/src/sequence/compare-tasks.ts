import type { Task } from '@tunesmith/core';
import type { TaskQuality } from './measure-task.js';
import type { Sequence } from './read-sequence.js';
import type { MeasureSettings } from './sequence-schema.js';
import { neededBy, runCost, type TaskCost, totalCosts } from './task-cost.js';
import { startOf } from './task-kinds.js';
import type { TrainedTask } from './train-task.js';

/** A task's model: how good it is on the held-out data, and what it cost. */
export interface ComparedTask extends TaskQuality, TaskCost {
  readonly task: string;
  readonly run: string;
  /** The model's folder. */
  readonly model: string;
}

/** What the tasks of a sequence came to, measured on the same held-out data. */
export interface SequenceComparison {
  readonly metric: string;
  readonly higherIsBetter: boolean;
  readonly data: readonly string[];
  readonly device: string;
  /** As the sequence says them: assumptions, by device. */
  readonly prices: MeasureSettings['prices'];
  /** Those that have the metric, in the sequence's order. */
  readonly tasks: readonly ComparedTask[];
}

export interface LearntTasks {
  readonly sequence: Sequence;
  readonly folders: readonly string[];
  readonly kinds: readonly Task[];
  readonly trained: readonly TrainedTask[];
  readonly generateSeconds: readonly number[];
  readonly measured: readonly (TaskQuality | null)[];
}

/** Puts together what was measured of each task and what its run took. */
export function compareTasks(
  { sequence, folders, kinds, trained, generateSeconds, measured }: LearntTasks,
  { metric, data, prices }: MeasureSettings,
): SequenceComparison {
  const { tasks } = sequence;
  const device = trained[0]?.recipe.device ?? 'cpu';
  const own = tasks.map(({ name }, index) => ({
    ...{ task: name, generateSeconds: generateSeconds[index] as number },
    ...runCost(folders[index] as string),
  }));
  const needs = tasks.map((_, index) => neededBy(tasks, (each) => startOf(sequence, kinds, each), index));
  const costs = totalCosts(own, needs, { prices }, device);
  return {
    ...{ metric, higherIsBetter: metric !== 'loss', data: [data].flat(), device, prices },
    tasks: tasks.flatMap(({ name }, index): ComparedTask[] => {
      const quality = measured[index];
      if (quality == null) return [];
      const [run, { path }] = [folders[index] as string, trained[index] as TrainedTask];
      return [{ task: name, run, model: path, ...quality, ...(costs[index] as TaskCost) }];
    }),
  };
}
