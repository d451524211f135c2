import { isDeepStrictEqual } from 'node:util';
import { TunesmithError } from '@tunesmith/core';
import { overrideRecipe, type RecipeSource } from '../recipe/read-recipe.js';
import { generatedRows } from './generated-rows.js';
import type { SequenceTask, TaskStart } from './read-sequence.js';

/** A sequence as its file says it. */
export interface SequenceParts {
  /** What is said of all tasks. */
  readonly recipe: Readonly<Record<string, unknown>>;
  readonly where: string;
  /** What paths of tasks are relative to. */
  readonly folder: string;
  readonly tasks: readonly SequenceTask[];
  readonly carries: boolean;
}

/** The recipe of a task that is trained in the last of these folders, each a task's. @throws CONFIG_INVALID */
export function taskRecipe(
  { recipe, where, folder, tasks, carries }: SequenceParts,
  folders: readonly string[],
  { model, rewardModel, teacher }: TaskStart,
): RecipeSource {
  const index = folders.length - 1;
  const [previous, output] = [folders[index - 1], folders[index]];
  const task = tasks[index] as SequenceTask;
  const { validation, settings } = task;
  const rowsOf = ({ train, generate }: SequenceTask, of: number): string[] =>
    generate === null ? [...train] : [...train, generatedRows(folders[of] as string)];
  const first = carries ? index - 1 : firstOf(tasks, index);
  const isAlike = (other: SequenceTask): boolean =>
    isDeepStrictEqual(other.settings.objective, task.settings.objective);
  const earlier = tasks
    .slice(0, index)
    .flatMap((other, of) => (of >= first && isAlike(other) ? rowsOf(other, of) : []));
  const whole = { value: recipe, where: `${where}, task ${task.name}` };
  const own = task.model === null ? whole : overrideRecipe(whole, { model: { ...task.model.settings } }, folder);
  const { model: base } = own.value;
  const begun =
    model === undefined ? own : { ...own, value: { ...own.value, model: { ...besidesPath(base), path: model } } };
  // A task's name is no path, and the folder that stands for it not known before that task is learnt.
  const taught =
    task.teacher === null
      ? settings
      : { ...settings, objective: { ...(settings.objective as object), teacher: teacher ?? folders[task.teacher] } };
  const said = overrideRecipe(begun, taught, folder);
  const judge = task.rewardModel === null ? undefined : tasks[task.rewardModel];
  const objective = judge && judgedBy(said, judge, rewardModel);
  return overrideRecipe(
    said,
    {
      ...(objective && { objective }),
      data: { train: rowsOf(task, index), validation, earlier },
      ...(carries && { previous }),
      output,
    },
    folder,
  );
}

/** The first of the tasks that a task's model has learnt: the last one up to it that begins with a model of its own. */
function firstOf(tasks: readonly Pick<SequenceTask, 'model'>[], index: number): number {
  return Math.max(
    0,
    tasks.slice(0, index + 1).findLastIndex(({ model }) => model !== null),
  );
}

/** A policy's objective with the reward model of an earlier task. @throws CONFIG_INVALID where it has another reward */
function judgedBy({ value, where }: RecipeSource, judge: SequenceTask, rewardModel?: string): Record<string, unknown> {
  const said = value.objective as Record<string, unknown> | undefined;
  const reward = said?.reward ?? 'model';
  if (reward === 'model') return { gateData: judge.validation, ...said, reward, rewardModel };
  throw new TunesmithError('CONFIG_INVALID', `the rewards are those of "${judge.name}"`, {
    ...{ where, expected: 'objective.reward: model, or nothing', got: String(reward) },
  });
}

/** What a recipe says of its model, beside which one it is. */
function besidesPath(model: unknown): Record<string, unknown> {
  const { name: _, revision: __, path: ___, ...rest } = (model ?? {}) as Record<string, unknown>;
  return rest;
}
