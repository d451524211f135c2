import { createExecutableCache, type Evaluation, evaluate } from '@tunesmith/core';
import { createObjective, defaultObjective, type ObjectiveSettings } from '../objective/settings.js';
import type { Recipe } from '../recipe/recipe.js';
import { openData } from '../train/open-data.js';
import { maxLengthOf } from '../train/resolve-recipe.js';
import type { OnPhase, OnWarning } from './engine.js';
import type { LoadedModel } from './load-model.js';

export interface EvaluateFilesOptions {
  /** The files, and how rows are made of them. */
  readonly data: Recipe['data'];
  readonly batchSize: number;
  /** What is measured; how well it predicts words if not said. */
  readonly objective?: ObjectiveSettings;
  readonly cacheFolder: string;
  readonly onPhase?: OnPhase;
  /** Told of answers that are cut or missing. */
  readonly onWarning?: OnWarning;
}

/** The loss of a model over data files, weighted as in training, and the metrics of its predictions. */
export async function evaluateFiles(
  { model, parameters, backend, tokenizer }: LoadedModel,
  { data, batchSize, objective: settings = defaultObjective, cacheFolder, onPhase, onWarning }: EvaluateFilesOptions,
): Promise<Evaluation> {
  const maxLength = maxLengthOf(data, model.shape);
  const objective = createObjective(settings, tokenizer);
  const shared = { tokenizer, maxLength, seed: 0, cacheFolder, objective: settings };
  const options = {
    ...shared,
    ...(onPhase === undefined ? {} : { onPhase }),
    ...(onWarning === undefined ? {} : { onWarning }),
  };
  const { train } = await openData({ ...data, shuffle: false }, options);
  const executables = createExecutableCache(backend, parameters.tensors);
  try {
    const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
    return await evaluate(train.rows(), { model, parameters, objective, executables, collate });
  } finally {
    await executables.dispose();
  }
}
