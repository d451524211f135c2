import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { TunesmithError } from '@tunesmith/core';
import { z } from 'zod';
import { describeIssue } from '../recipe/describe-issue.js';
import { overrideRecipe, type RecipeSource } from '../recipe/read-recipe.js';

const files = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

const tasksSchema = z.object({
  carryOn: z
    .boolean()
    .default(false)
    .describe(
      'Whether each run is told of the one before (`previous`), whose methods go on with what they kept, and has of earlier tasks the last one’s data alone for `data.earlier`.',
    ),
  tasks: z
    .array(
      z.looseObject({
        name: z
          .string()
          .regex(/^[\w.-]+$/)
          .describe('What it is called, and its run’s folder.'),
        train: files.describe('Training data.'),
        validation: files.describe('Held-out data, which every task’s loss is measured on after each.'),
        rewardModel: z
          .string()
          .optional()
          .describe('The earlier task that left the reward model its answers are judged by.'),
      }),
    )
    .min(1),
});

/** What is said once, of all tasks. */
const sharedKeys = ['version', 'model', 'output', 'plugins', 'device', 'tasks', 'carryOn'];

/** A task of a sequence, its files by absolute paths. */
export interface SequenceTask {
  readonly name: string;
  readonly train: readonly string[];
  readonly validation: readonly string[];
  /** Which of the earlier tasks left the reward model of this one. */
  readonly rewardModel: number | null;
  /** Whether it says an objective of its own, so that its loss is no other task's. */
  readonly hasObjective: boolean;
}

/** What a task's run begins with, of what earlier runs left. */
export interface TaskStart {
  /** The model's folder; the recipe's own model if absent. */
  readonly model?: string | undefined;
  readonly rewardModel?: string | undefined;
}

/** A recipe for each of several tasks that are learnt one after another. */
export interface Sequence {
  readonly tasks: readonly SequenceTask[];
  /** The recipe of a task that is trained in the last of these folders, each a task's. */
  recipeOf(folders: readonly string[], start?: TaskStart): RecipeSource;
}

/**
 * Divides a sequence file: a recipe with a list of `tasks` in place of `data.train` and `data.validation`. What else of a recipe a task
 * says is laid over the whole's. A task has those before it that learn by the same objective for its `data.earlier`, or with `carryOn` the
 * last of them, whose run it is told of; a reward model is held to the pairs that it was measured on, unless `gateData` names others.
 * @throws CONFIG_INVALID
 */
export function readSequence({ value, where }: RecipeSource, folder: string): Sequence {
  const { tasks: listed, carryOn, ...recipe } = value;
  const invalid = (problem: string, expected?: string): TunesmithError =>
    new TunesmithError('CONFIG_INVALID', problem, { where, ...(expected === undefined ? {} : { expected }) });
  const parsed = tasksSchema.safeParse({ tasks: listed, carryOn }, { reportInput: true });
  if (!parsed.success) {
    throw invalid(parsed.error.issues.flatMap((issue) => describeIssue(issue, tasksSchema)).join('; '));
  }
  const absolute = (path: string | readonly string[]): string[] => [path].flat().map((each) => resolve(folder, each));
  const own: Record<string, unknown>[] = [];
  const tasks: SequenceTask[] = [];
  for (const { name, train, validation, rewardModel, ...rest } of parsed.data.tasks) {
    const names = tasks.map((task) => task.name);
    if (names.includes(name)) throw invalid(`the task "${name}" is named twice`);
    const shared = Object.keys(rest).find((key) => sharedKeys.includes(key));
    if (shared !== undefined)
      throw invalid(`the task "${name}" says "${shared}", which is said once, beside the tasks`);
    if (rewardModel !== undefined && !names.includes(rewardModel)) {
      throw invalid(
        `the task "${name}" has its reward model from "${rewardModel}"`,
        `an earlier task: ${names.join(', ') || 'none is'}`,
      );
    }
    own.push(rest);
    tasks.push({
      ...{ name, train: absolute(train), validation: absolute(validation) },
      rewardModel: rewardModel === undefined ? null : names.indexOf(rewardModel),
      hasObjective: rest.objective !== undefined,
    });
  }
  const carries = parsed.data.carryOn;
  if (carries && tasks.some(({ hasObjective }) => hasObjective)) {
    throw invalid(
      'a task has an objective of its own',
      'one objective for all, as `carryOn` goes on from task to task',
    );
  }
  return {
    tasks,
    recipeOf(folders, { model, rewardModel } = {}) {
      const index = folders.length - 1;
      const [previous, output] = [folders[index - 1], folders[index]];
      const task = tasks[index] as SequenceTask;
      const { train, validation } = task;
      const alike = (_: SequenceTask, other: number): boolean =>
        other < index &&
        other >= (carries ? index - 1 : 0) &&
        isDeepStrictEqual(own[other]?.objective, own[index]?.objective);
      const earlier = tasks.filter(alike).flatMap((other) => other.train);
      const base = model === undefined ? recipe : { ...recipe, model: { ...modelOf(recipe.model), path: model } };
      const said = overrideRecipe({ value: base, where: `${where}, task ${task.name}` }, own[index] ?? {}, folder);
      const judge = task.rewardModel === null ? undefined : tasks[task.rewardModel];
      const objective = judge && judgedBy(said, judge, rewardModel);
      return overrideRecipe(
        said,
        {
          ...(objective && { objective }),
          data: { train, validation, earlier },
          ...(carries && { previous }),
          output,
        },
        folder,
      );
    },
  };
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
function modelOf(model: unknown): Record<string, unknown> {
  const { name: _, revision: __, path: ___, ...rest } = (model ?? {}) as Record<string, unknown>;
  return rest;
}
