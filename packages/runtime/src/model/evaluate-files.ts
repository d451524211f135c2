import { createExecutableCache, type Evaluation, evaluate } from '@tunesmith/core';
import { withSentenceModules } from '../objective/sentence-modules.js';
import { createObjective, defaultObjective, type ObjectiveSettings, type Objectives } from '../objective/settings.js';
import type { Recipe } from '../recipe/recipe.js';
import { openData } from '../train/open-data.js';
import { type OpenJudgeOptions, openJudge } from '../train/open-judge.js';
import { rowLengthOf } from '../train/resolve-recipe.js';
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
  /** Whether it is the held-out rows of `data` that are measured, not those to train on. */
  readonly heldOut?: boolean;
  /** Seed of answers that are drawn, and of what is held out; 0 if not said. */
  readonly seed?: number;
  /** What loads the reward model of an objective that has one. */
  readonly judge?: Pick<OpenJudgeOptions, 'engine' | 'device' | 'lookup'>;
  readonly cacheFolder: string;
  readonly onPhase?: OnPhase;
  /** Told of answers that are cut or missing. */
  readonly onWarning?: OnWarning;
}

/** The loss of a model over data files, weighted as in training, and the metrics of its predictions. */
export async function evaluateFiles(loaded: LoadedModel, options: EvaluateFilesOptions): Promise<Evaluation> {
  const { data, batchSize, objective: given = defaultObjective, objectives = [], heldOut = false, seed = 0 } = options;
  const { judge: judging, cacheFolder, onPhase, onWarning } = options;
  const { model, parameters, backend, tokenizer } = loaded;
  const settings = await withSentenceModules(given, loaded.path);
  const maxLength = await rowLengthOf(data, { shape: model.shape, objective: settings, path: loaded.path });
  const objective = createObjective(settings, tokenizer, objectives);
  const shared = { tokenizer, maxLength, seed, objective: settings, objectives, cacheFolder };
  const { train, validation } = await openData(heldOut ? data : { ...data, shuffle: false }, {
    ...shared,
    ...(onPhase && { onPhase }),
    ...(onWarning && { onWarning }),
  });
  const rewarding = objective.rollouts?.judge;
  if (rewarding !== undefined) onPhase?.('loading the reward model');
  const judge =
    rewarding &&
    judging &&
    (await openJudge({ model: rewarding.model }, { ...judging, trained: loaded, batchSize, maxLength }));
  const executables = createExecutableCache(backend, parameters.tensors);
  try {
    const { rows, dispose } = evaluatedRows((heldOut && validation) || train, {
      ...{ loaded, objective, batchSize, maxLength, seed, onWarning },
      judge: judge?.judge,
    });
    try {
      const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
      return await evaluate(rows, { model, parameters, objective, executables, collate });
    } finally {
      await dispose();
    }
  } finally {
    await judge?.dispose();
    await executables.dispose();
  }
}
