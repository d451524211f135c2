import { didYouMean, TunesmithError } from '@tunesmith/core';
import type { Suite } from '../suite/suite-schema.js';
import type { DatasetFilesOptions } from './dataset-files.js';
import { prepareTask } from './prepare-task.js';
import { shuffledName } from './shuffle-labels.js';
import type { PreparedTask, TaskDefinition } from './task.js';

/** A task as a suite runs it. */
export interface SuiteTask {
  readonly task: PreparedTask;
  /** The suite's methods that run on it. */
  readonly methods: readonly string[];
  /** Whether it is another task with its labels shuffled, which `controls` asks for. */
  readonly isControl: boolean;
}

/** A suite's tasks with their files in place, in its order, each followed by its control. @throws NAME_UNKNOWN, NETWORK */
export async function resolveTasks(
  suite: Suite,
  known: readonly TaskDefinition[],
  options: Omit<DatasetFilesOptions, 'path'>,
): Promise<SuiteTask[]> {
  const methods = Object.keys(suite.methods);
  const tasks: SuiteTask[] = [];
  for (const entry of suite.tasks) {
    if (typeof entry !== 'string' && !('task' in entry)) {
      tasks.push({ task: entry, methods, isControl: false });
      continue;
    }
    const {
      task: name,
      shuffled,
      path,
    } = typeof entry === 'string' ? { task: entry, shuffled: false, path: undefined } : entry;
    const files = { ...options, ...(path !== undefined && { path }) };
    const found = taskNamed(name, known, suite.name);
    tasks.push({ task: await prepareTask(found, { ...files, shuffled }), methods, isControl: false });
    if (shuffled || suite.controls.length === 0) continue;
    const control = await prepareTask(found, { ...files, shuffled: true });
    tasks.push({ task: control, methods: suite.controls, isControl: true });
  }
  return tasks;
}

/** The names of a suite's tasks in results, without their controls. */
export function taskNamesOf({ tasks }: Pick<Suite, 'tasks'>): string[] {
  return tasks.map((entry) => {
    if (typeof entry === 'string') return entry;
    if (!('task' in entry)) return entry.name;
    return entry.shuffled ? shuffledName(entry.task) : entry.task;
  });
}

function taskNamed(name: string, known: readonly TaskDefinition[], where: string): TaskDefinition {
  const found = known.find((task) => task.name === name);
  if (found !== undefined) return found;
  throw new TunesmithError('NAME_UNKNOWN', `there is no task "${name}"`, {
    where,
    hint: didYouMean(
      name,
      known.map((task) => task.name),
    ),
  });
}
