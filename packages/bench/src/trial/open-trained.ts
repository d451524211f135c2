import {
  type AdaptedModel,
  type Engine,
  type MethodLookup,
  type ObjectiveSettings,
  openModel,
  type Recipe,
  type RunResult,
} from '@tunesmith/runtime';
import type { TrialRequest } from './trial-request.js';

/** Everything of a trial that stays the same while it runs. */
export interface TrialParts {
  readonly request: TrialRequest;
  /** With the folder of its run. */
  readonly recipe: Recipe;
  readonly engine: Engine;
  readonly lookup: MethodLookup;
  readonly cacheFolder: string;
}

export interface OpenTrainedOptions {
  /** What training came to; the base alone if null. */
  readonly trained: Pick<RunResult, 'adapters' | 'model'> | null;
  readonly objective: ObjectiveSettings;
}

/** Opens the base with what was trained, or as it was, while it is used. */
export async function withModel<Result>(
  { recipe, engine, lookup }: TrialParts,
  { trained, objective }: OpenTrainedOptions,
  use: (loaded: AdaptedModel) => Promise<Result>,
): Promise<Result> {
  const { name: _, revision: __, ...base } = recipe.model;
  const model = trained?.model ? { ...base, path: trained.model } : recipe.model;
  const adapters = trained?.adapters ?? [];
  const loaded = await openModel({ model, adapters, device: recipe.device, engine, lookup, objective });
  try {
    return await use(loaded);
  } finally {
    loaded.dispose();
  }
}
