import { createExecutableCache, type Evaluation, evaluate, sft } from '@tunesmith/core';
import type { Recipe } from '../recipe/recipe.js';
import { openData } from '../train/open-data.js';
import { maxLengthOf } from '../train/resolve-recipe.js';
import type { OnPhase } from './engine.js';
import type { LoadedModel } from './load-model.js';

export interface EvaluateFilesOptions {
  /** The files, and how rows are made of them. */
  readonly data: Recipe['data'];
  readonly batchSize: number;
  readonly cacheFolder: string;
  readonly onPhase?: OnPhase;
}

/** The loss of a model over data files, weighted as in training. */
export async function evaluateFiles(
  { model, parameters, backend, tokenizer }: LoadedModel,
  { data, batchSize, cacheFolder, onPhase }: EvaluateFilesOptions,
): Promise<Evaluation> {
  const maxLength = maxLengthOf(data, model.shape);
  const options = { tokenizer, maxLength, seed: 0, cacheFolder, ...(onPhase === undefined ? {} : { onPhase }) };
  const { train } = await openData({ ...data, shuffle: false }, options);
  const executables = createExecutableCache(backend, parameters.tensors);
  try {
    const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
    return await evaluate(train.rows(), { model, parameters, objective: sft, executables, collate });
  } finally {
    await executables.dispose();
  }
}
