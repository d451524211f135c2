import { didYouMean, TunesmithError } from '@tunesmith/core';
import type { Suite } from '../suite/suite-schema.js';
import { prepareTask } from './prepare-task.js';
import type { PreparedTask, TaskDefinition } from './task.js';

/** A suite's tasks with their files in place, in its order. @throws NAME_UNKNOWN, NETWORK */
export async function resolveTasks(
  suite: Suite,
  known: readonly TaskDefinition[],
  cacheFolder: string,
): Promise<PreparedTask[]> {
  const tasks: PreparedTask[] = [];
  for (const entry of suite.tasks) {
    if (typeof entry !== 'string' && !('task' in entry)) {
      tasks.push(entry);
      continue;
    }
    const { task: name, shuffled } = typeof entry === 'string' ? { task: entry, shuffled: false } : entry;
    const found = known.find((task) => task.name === name);
    if (found === undefined) {
      throw new TunesmithError('NAME_UNKNOWN', `there is no task "${name}"`, {
        where: suite.name,
        hint: didYouMean(
          name,
          known.map((task) => task.name),
        ),
      });
    }
    tasks.push(await prepareTask(found, { cacheFolder, shuffled }));
  }
  return tasks;
}
