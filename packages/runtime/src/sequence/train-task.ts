import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine, OnPhase } from '../model/engine.js';
import { openModel } from '../model/open-model.js';
import { saveModel } from '../model/save-model.js';
import { type LoadedRecipe, loadRecipe } from '../recipe/load-recipe.js';
import type { Recipe } from '../recipe/recipe.js';
import { createRun, readRunRecipe, runPaths } from '../run/run-folder.js';
import { resolveRecipe } from '../train/resolve-recipe.js';

/** What a task's run needs beside its recipe. */
export interface TrainTaskOptions {
  readonly engine: Engine;
  /** Where methods and objectives are looked for. */
  readonly roots: readonly string[];
  /** Trains a run's folder, from its newest checkpoint if it has one; false where it was stopped before the end. */
  readonly train: (folder: string, loaded: LoadedRecipe) => Promise<boolean>;
  readonly onPhase?: OnPhase | undefined;
}

/** A task that is learnt: the model's folder, and the recipe that it was trained by, everything resolved. */
export interface TrainedTask {
  readonly path: string;
  readonly recipe: Recipe;
}

/** Trains what is left of a task's run, and merges what it left as an adapter; null where training was stopped. */
export async function trainTask(
  run: string,
  loaded: LoadedRecipe,
  { engine, roots, train, onPhase }: TrainTaskOptions,
): Promise<TrainedTask | null> {
  const paths = runPaths(run);
  const merged = join(run, 'merged');
  const isSaved = (): boolean => existsSync(paths.adapter) || existsSync(paths.model);
  const begun = existsSync(paths.recipe);
  const recipe = begun
    ? (await loadRecipe(await readRunRecipe(run), roots)).recipe
    : await resolveRecipe(loaded.recipe, engine, onPhase);
  if (!begun) await createRun(recipe);
  if (!isSaved() && (!(await train(run, { ...loaded, recipe })) || !isSaved())) return null;
  if (existsSync(paths.model)) return { path: paths.model, recipe };
  if (existsSync(merged)) return { path: merged, recipe };
  onPhase?.('merging');
  const adapted = await openModel({
    model: { ...loaded.recipe.model, dtype: 'float32', quantization: 'none' },
    adapters: [paths.adapter],
    ...{ device: recipe.device, engine, lookup: { roots } },
  });
  try {
    await saveModel(adapted, `${merged}.tmp`, adapted.objective);
  } finally {
    adapted.dispose();
  }
  await rename(`${merged}.tmp`, merged);
  return { path: merged, recipe };
}
