import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Engine, OnPhase } from '../model/engine.js';
import { locateModel } from '../model/locate-model.js';
import { openBase } from '../model/open-base.js';
import { trainedFor } from '../objective/classifier-config.js';
import { headOf } from '../objective/settings.js';
import type { LoadedRecipe } from '../recipe/load-recipe.js';
import { evaluateHeldOut, withModel } from './held-out.js';
import type { SequenceTask } from './read-sequence.js';

// JSON has no NaN, which a loss is that no model has yet.
const loss = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const matrixSchema = z.object({ version: z.literal(1), losses: z.array(z.array(loss)) });

export interface MeasureLossesOptions {
  readonly engine: Engine;
  readonly onPhase?: OnPhase | undefined;
}

/**
 * The held-out loss of every task by a model; by the recipe's own where no folder is given, which is NaN where that has no head yet for what is
 * classified.
 */
export async function measureLosses(
  loaded: LoadedRecipe,
  path: string | undefined,
  tasks: readonly Pick<SequenceTask, 'name' | 'validation'>[],
  { engine, onPhase }: MeasureLossesOptions,
): Promise<number[]> {
  const located = path ?? (await locateModel(loaded.recipe.model, engine.hub, onPhase)).path;
  if (path === undefined && (await lacksHead(loaded, located, engine))) return tasks.map(() => Number.NaN);
  return withModel(loaded, located, engine, async (model) => {
    const losses: number[] = [];
    for (const { name, validation } of tasks) {
      onPhase?.(`measuring ${name}`);
      losses.push((await evaluateHeldOut(model, loaded, validation, engine)).loss);
    }
    return losses;
  });
}

/** Whether a classifier's head is only made when training begins. */
async function lacksHead({ recipe, objectives }: LoadedRecipe, path: string, engine: Engine): Promise<boolean> {
  const { task } = headOf(recipe.objective, objectives);
  if (!['sequence-classification', 'token-classification', 'question-answering'].includes(task)) return false;
  const { config, close } = await openBase(path, engine.families);
  await close();
  const saved = trainedFor(config);
  return saved === null || headOf(saved).task !== task;
}

export async function readMatrix(path: string): Promise<number[][]> {
  if (!existsSync(path)) return [];
  return matrixSchema.parse(JSON.parse(await readFile(path, 'utf8'))).losses;
}

export async function writeMatrix(path: string, losses: readonly (readonly number[])[]): Promise<void> {
  await writeFile(`${path}.tmp`, JSON.stringify({ version: 1, losses }), { flush: true });
  await rename(`${path}.tmp`, path);
}
