import { resolve } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { z } from 'zod';
import { describeIssue } from '../recipe/describe-issue.js';
import { overrideRecipe, type RecipeSource } from '../recipe/read-recipe.js';

const files = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

const tasksSchema = z.object({
  tasks: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[\w.-]+$/)
          .describe('What it is called, and its run’s folder.'),
        train: files.describe('Training data.'),
        validation: files.describe('Held-out data, which every task’s loss is measured on after each.'),
      }),
    )
    .min(1),
});

/** A task of a sequence, its files by absolute paths. */
export interface SequenceTask {
  readonly name: string;
  readonly train: readonly string[];
  readonly validation: readonly string[];
}

/** A recipe for each of several tasks that are learnt one after another. */
export interface Sequence {
  readonly tasks: readonly SequenceTask[];
  /** The recipe of a task, which begins with the model in a folder, or with the recipe's own. */
  recipeOf(index: number, folder: string, model?: string): RecipeSource;
}

/**
 * Divides a sequence file: a recipe with a list of `tasks` in place of `data.train` and `data.validation`. Each task has those before it
 * for its `data.earlier`; the first has none.
 * @throws CONFIG_INVALID
 */
export function readSequence({ value, where }: RecipeSource, folder: string): Sequence {
  const { tasks: listed, ...recipe } = value;
  const parsed = tasksSchema.safeParse({ tasks: listed }, { reportInput: true });
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => describeIssue(issue, tasksSchema));
    throw new TunesmithError('CONFIG_INVALID', problems.join('; '), { where });
  }
  const absolute = (path: string | readonly string[]): string[] => [path].flat().map((each) => resolve(folder, each));
  const tasks = parsed.data.tasks.map(({ name, train, validation }) => ({
    ...{ name, train: absolute(train), validation: absolute(validation) },
  }));
  const twice = tasks.find(({ name }, index) => tasks.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined)
    throw new TunesmithError('CONFIG_INVALID', `the task "${twice.name}" is named twice`, { where });
  return {
    tasks,
    recipeOf(index, output, model) {
      const { train, validation } = tasks[index] as SequenceTask;
      const earlier = tasks.slice(0, index).flatMap((task) => task.train);
      const base = model === undefined ? recipe : { ...recipe, model: { ...modelOf(recipe.model), path: model } };
      return overrideRecipe({ value: base, where }, { data: { train, validation, earlier }, output }, folder);
    },
  };
}

/** What a recipe says of its model, beside which one it is. */
function modelOf(model: unknown): Record<string, unknown> {
  const { name: _, revision: __, path: ___, ...rest } = (model ?? {}) as Record<string, unknown>;
  return rest;
}
