import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cutLayers } from '../model/cut-layers.js';
import type { Engine, OnPhase } from '../model/engine.js';
import { locateModel } from '../model/locate-model.js';
import { openBase } from '../model/open-base.js';
import { type LoadedRecipe, loadRecipe } from '../recipe/load-recipe.js';
import type { Recipe } from '../recipe/recipe.js';
import type { OwnModel, Sequence } from './read-sequence.js';

export interface OwnStartsOptions {
  readonly engineOf: (loaded: Pick<LoadedRecipe, 'methods' | 'objectives'>) => Engine;
  readonly roots: readonly string[];
  readonly onPhase?: OnPhase | undefined;
}

/**
 * The folders of the models that tasks begin with of their own, where layers are left out; a task of another has none. All of them are opened
 * here, and brought from the Hub, so that what is not there is missed before anything is trained.
 */
export async function ownStarts(
  sequence: Sequence,
  folders: readonly string[],
  output: string,
  { engineOf, roots, onPhase }: OwnStartsOptions,
): Promise<(string | undefined)[]> {
  const starts: (string | undefined)[] = [];
  for (const [index, { model }] of sequence.tasks.entries()) {
    if (model === null) {
      starts.push(undefined);
      continue;
    }
    const loaded = await loadRecipe(sequence.recipeOf(folders.slice(0, index + 1)), roots);
    const engine = engineOf(loaded);
    if (model.layers !== null) {
      starts.push(await cutStart(output, loaded.recipe.model, model.layers, engine, onPhase));
      continue;
    }
    const { path } = await locateModel(loaded.recipe.model, engine.hub, onPhase);
    await (await openBase(path, engine.families)).close();
    starts.push(undefined);
  }
  return starts;
}

/** A model of which layers are left out: in `models/` of the sequence's folder, by the model and the layers, so that tasks share it. */
async function cutStart(
  output: string,
  model: Recipe['model'],
  layers: NonNullable<OwnModel['layers']>,
  engine: Engine,
  onPhase?: OnPhase,
): Promise<string> {
  const located = await locateModel(model, engine.hub, onPhase);
  const { path, name, revision } = located.model;
  const id = createHash('sha256')
    .update(JSON.stringify([path, name, revision, layers]))
    .digest('hex')
    .slice(0, 8);
  const kept = [layers].flat().join('-');
  const of = basename(path ?? name ?? 'model');
  const folder = join(output, 'models', `${of}-${typeof layers === 'number' ? kept : `layers-${kept}`}-${id}`);
  if (existsSync(folder)) return folder;
  onPhase?.(`cutting layers out of ${of}`);
  await mkdir(dirname(folder), { recursive: true });
  await cutLayers(located.path, folder, layers, engine.families);
  return folder;
}
