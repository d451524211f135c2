import { createExecutableCache, type Evaluation, evaluate } from '@tunesmith/core';
import { createObjective, defaultObjective, type ObjectiveSettings, type Objectives } from '../objective/settings.js';
import type { Recipe } from '../recipe/recipe.js';
import { openData } from '../train/open-data.js';
import { maxLengthOf } from '../train/resolve-recipe.js';
import { evaluatedRows } from '../train/rollout-data.js';
import type { OnPhase, OnWarning } from './engine.js';
import type { LoadedModel } from './load-model.js';

export interface EvaluateFilesOptions {
  /** The files, and how rows are made of them. */
  readonly data: Recipe['data'];
  readonly batchSize: number;
  /** What is measured; how well it predicts words if not said. */
  readonly objective?: ObjectiveSettings;
  /** The plugins' objectives, where it may be one of them. */
  readonly objectives?: Objectives;
  readonly cacheFolder: string;
  readonly onPhase?: OnPhase;
  /** Told of answers that are cut or missing. */
  readonly onWarning?: OnWarning;
}

/** The loss of a model over data files, weighted as in training, and the metrics of its predictions. */
export async function evaluateFiles(
  loaded: LoadedModel,
  { data, batchSize, objective: settings = defaultObjective, objectives = [], ...files }: EvaluateFilesOptions,
): Promise<Evaluation> {
  const { model, parameters, backend, tokenizer } = loaded;
  const maxLength = maxLengthOf(data, model.shape);
  const objective = createObjective(settings, tokenizer, objectives);
  const shared = { tokenizer, maxLength, seed: 0, objective: settings, objectives };
  const { train } = await openData({ ...data, shuffle: false }, { ...shared, ...files });
  const executables = createExecutableCache(backend, parameters.tensors);
  const { rows, dispose } = evaluatedRows(train, { loaded, objective, batchSize, maxLength, seed: 0 });
  try {
    const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
    return await evaluate(rows, { model, parameters, objective, executables, collate });
  } finally {
    await dispose();
    await executables.dispose();
  }
}
