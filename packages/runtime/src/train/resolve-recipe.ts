import {
  contrastive,
  isQuantized,
  type ModelShape,
  type QuantizationSettings,
  quantizationSchema,
  TunesmithError,
} from '@tunesmith/core';
import type { Engine, OnPhase } from '../model/engine.js';
import { describeModel } from '../model/load-model.js';
import { locateModel } from '../model/locate-model.js';
import { openBase } from '../model/open-base.js';
import { resolveObjective } from '../objective/resolve-objective.js';
import { readSentenceModules, withSentenceModules } from '../objective/sentence-modules.js';
import type { ObjectiveSettings } from '../objective/settings.js';
import type { Recipe } from '../recipe/recipe.js';
import { describeRun } from './describe-run.js';

/** Rows are no longer than this if a recipe does not say: Stanford Alpaca's `model_max_length`. */
const defaultMaxLength = 512;

/**
 * Settles what depends on the model and the data: the commit that a Hub name stands for, downloaded if need be, how a base
 * is kept that is not quantised yet, the rows' length, and the labels of a classification.
 * Patches the model without its weights, so that a method's complaint comes before anything takes long.
 */
export async function resolveRecipe(
  recipe: Recipe,
  engine: Pick<Engine, 'families' | 'methods' | 'objectives' | 'hub'>,
  onPhase?: OnPhase,
  signal?: AbortSignal,
): Promise<Recipe> {
  const { path, model } = await locateModel(recipe.model, engine.hub, onPhase, signal);
  const folder = await openBase(path, engine.families);
  await folder.close();
  const plain = describeModel(folder.config, path, engine.families);
  const resolved = await resolveObjective(recipe, plain.shape, engine.objectives);
  const objective = await withSentenceModules(resolved, path);
  const quantization = recipe.model.quantization ?? (isQuantized(folder.tensors) ? undefined : preset(recipe, engine));
  const base = { ...model, ...(quantization && { quantization }) };
  const { shape } = (await describeRun({ ...recipe, model: base, objective }, folder, engine)).model;
  const maxLength = await rowLengthOf(recipe.data, { shape, objective, path });
  return { ...recipe, model: base, objective, data: { ...recipe.data, maxLength } };
}

/** How the first of a recipe's methods that says it wants the base quantised. */
function preset({ methods }: Recipe, engine: Pick<Engine, 'methods'>): QuantizationSettings | undefined {
  const definitions = methods.map(({ name }) => engine.methods.find(({ definition }) => definition.name === name));
  const wanted = definitions.map((factory) => factory?.definition.defaults?.quantization);
  const first = wanted.find((each) => each !== undefined);
  return first && quantizationSchema.parse(first);
}

/**
 * The rows' length for an objective: where nothing is said of the texts that an embedder reads, as the folder has it that it was made for.
 * @throws CONFIG_INVALID
 */
export async function rowLengthOf(
  data: Pick<Recipe['data'], 'maxLength'>,
  {
    shape,
    objective,
    path,
  }: { readonly shape: ModelShape; readonly objective: ObjectiveSettings; readonly path: string },
): Promise<number> {
  const isSilent = data.maxLength === undefined && objective.name === contrastive.definition.name;
  const own = isSilent ? (await readSentenceModules(path))?.maxLength : undefined;
  return own === undefined ? maxLengthOf(data, shape) : Math.min(own, shape.maxPositions);
}

/** The rows' length: as the recipe says, if the model's positions allow it. @throws CONFIG_INVALID */
export function maxLengthOf({ maxLength }: Pick<Recipe['data'], 'maxLength'>, { maxPositions }: ModelShape): number {
  if (maxLength === undefined) return Math.min(defaultMaxLength, maxPositions);
  if (maxLength <= maxPositions) return maxLength;
  throw new TunesmithError('CONFIG_INVALID', 'the model has fewer positions', {
    where: 'data.maxLength',
    expected: `at most ${maxPositions}`,
    got: String(maxLength),
  });
}
