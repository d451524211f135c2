import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cutLayers } from '../model/cut-layers.js';
import type { Engine, OnPhase } from '../model/engine.js';
import { locateModel } from '../model/locate-model.js';
import type { Recipe } from '../recipe/recipe.js';
import type { OwnModel } from './read-sequence.js';

/**
 * The folder of a model of which layers are left out, which is made where it is not there: `models/` of the sequence's folder, by the model and
 * the layers, so that tasks share it.
 */
export async function cutStart(
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
