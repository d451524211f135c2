import type { Task } from '@tunesmith/core';
import type { Engine } from '../model/engine.js';
import { evaluateFiles } from '../model/evaluate-files.js';
import { type LoadedModel, loadModel } from '../model/load-model.js';
import { headOf, isOwnObjective, type ObjectiveSettings, type Objectives } from '../objective/settings.js';
import type { LoadedRecipe } from '../recipe/load-recipe.js';
import type { Recipe } from '../recipe/recipe.js';
import { writesText } from './task-kinds.js';

/** What a recipe says of rows, with other files for it, of which none is left out or mixed with others. */
export function heldOut({ data }: Pick<Recipe, 'data'>, files: readonly string[]): Recipe['data'] {
  const { earlier: _, validation: __, target: ___, taskTemperature: ____, ...rest } = data;
  const { replay: _____, replayBuffer: ______, ...rows } = rest;
  return { ...rows, train: [...files] };
}

/** Tasks are compared by how well they are done, not by what a plugin's objective adds to that where words are learnt. */
function comparedBy(objective: ObjectiveSettings, objectives: Objectives): ObjectiveSettings {
  const isOwn = isOwnObjective(objective.name);
  const task: Task = headOf(objective, objectives).task;
  if (isOwn || !writesText(task)) return objective;
  return { name: task === 'seq2seq-lm' ? 'seq2seq' : 'sft' };
}

/** Loads a model's folder as a recipe's objective is measured, uses it, and frees it. */
export async function withModel<Result>(
  { recipe, objectives }: Pick<LoadedRecipe, 'recipe' | 'objectives'>,
  path: string,
  engine: Engine,
  use: (loaded: LoadedModel) => Promise<Result>,
): Promise<Result> {
  const backend = await engine.createBackend(recipe.device);
  const objective = comparedBy(recipe.objective, objectives);
  const loaded = await loadModel({ path, families: engine.families, backend, objective, objectives });
  try {
    return await use(loaded);
  } finally {
    loaded.dispose();
  }
}

/** The held-out loss over files of a model that a recipe trained, and the metrics of its predictions. */
export function evaluateHeldOut(
  loaded: LoadedModel,
  { recipe, objectives }: Pick<LoadedRecipe, 'recipe' | 'objectives'>,
  files: readonly string[],
  { cacheFolder }: Pick<Engine, 'cacheFolder'>,
) {
  return evaluateFiles(loaded, {
    data: heldOut(recipe, files),
    batchSize: recipe.trainer.batchSize,
    ...{ objective: comparedBy(recipe.objective, objectives), objectives, cacheFolder },
  });
}
