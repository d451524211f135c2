import {
  createTrainer,
  type EvaluationOptions,
  type Method,
  type Objective,
  type Trainer,
  type TrainerOptions,
  TunesmithError,
} from '@tunesmith/core';
import type { Engine } from '../model/engine.js';
import { type LoadedModel, loadModel } from '../model/load-model.js';
import { locateModel } from '../model/locate-model.js';
import { namedAdapters } from '../model/named-adapters.js';
import { createObjective, methodsOf } from '../objective/settings.js';
import type { Recipe } from '../recipe/recipe.js';
import { type MetricsFile, openMetricsFile } from '../run/metrics-file.js';
import { recipeHash, runPaths } from '../run/run-folder.js';
import { type CheckpointFolder, openCheckpointFolder } from './checkpoint-folder.js';
import { configuredMethods } from './configured-methods.js';
import { openData, type RunData } from './open-data.js';
import { openJudge } from './open-judge.js';
import { optimizerOf, scheduleOf, stepsOf } from './optimization.js';
import { previousRun } from './previous-run.js';
import { maxLengthOf } from './resolve-recipe.js';
import { dataWithRollouts, rowsEachOf } from './rollout-data.js';
import { dataWithPriors } from './row-priors.js';
import { sampleTexts } from './sample-texts.js';
import type { TrainOptions } from './train.js';

/** A run with everything loaded, ready to train. */
export interface OpenRun {
  readonly folder: string;
  readonly recipe: Recipe;
  readonly methods: readonly Method[];
  readonly loaded: LoadedModel;
  readonly objective: Objective;
  readonly data: RunData;
  readonly maxLength: number;
  readonly checkpoints: CheckpointFolder;
  readonly trainer: Trainer;
  readonly steps: number;
  /** The step of the checkpoint that the trainer goes on from, or null at the start. */
  readonly resumedAt: number | null;
  /** The run's metrics.jsonl, cut off where the trainer goes on from. */
  readonly metrics: MetricsFile;
  /** Frees programs and weights. */
  dispose(): Promise<void>;
}

/** Loads a run folder's model and data and restores its newest checkpoint. The caller holds the folder's lock. */
export async function openRun(folder: string, recipe: Recipe, engine: Engine, options: TrainOptions): Promise<OpenRun> {
  let metrics: MetricsFile | undefined;
  const onWarning = (message: string): void => {
    metrics?.warn(message);
    options.onWarning?.(message);
  };
  const parts = await openParts(recipe, engine, { ...options, onWarning });
  const { loaded } = parts;
  try {
    const paths = runPaths(folder);
    const checkpoints = openCheckpointFolder({
      folder: paths.checkpoints,
      recipeHash: recipeHash(recipe),
      keep: recipe.trainer.keepCheckpoints,
      beforeSave: () => metrics?.flush(),
    });
    const trainer = await openTrainer({ ...parts, checkpoints }, options);
    const latest = await checkpoints.latest();
    if (latest !== null) await trainer.restore(latest);
    const resumedAt = latest?.step ?? null;
    const opened = openMetricsFile(paths.metrics, resumedAt ?? -1);
    metrics = opened;
    return {
      ...parts,
      ...{ folder, checkpoints, trainer, metrics: opened, resumedAt },
      async dispose() {
        opened.close();
        await parts.disposeRollouts();
        await trainer.dispose();
        loaded.dispose();
      },
    };
  } catch (error) {
    await parts.disposeRollouts();
    loaded.dispose();
    throw error;
  }
}

/** What a run trains, loaded and as it was before its first step, without a folder that it is kept in. */
export interface RunParts extends TrainerParts {
  readonly methods: readonly Method[];
  /** Frees what answers prompts and rewards them, where answers of the model's own are learnt from. */
  disposeRollouts(): Promise<void>;
}

export async function openParts(
  recipe: Recipe,
  engine: Engine,
  { onPhase = () => {}, onWarning, signal }: Pick<TrainOptions, 'onPhase' | 'onWarning' | 'signal'>,
): Promise<RunParts> {
  const { seed, batchSize } = recipe.trainer;
  const methods = configuredMethods(recipe, engine.methods);
  const adapters = await namedAdapters(recipe, engine);
  const { path } = await locateModel(recipe.model, engine.hub, onPhase, signal);
  onPhase('loading the model');
  const { dtype, quantization, resizeVocabulary, experts } = recipe.model;
  const backend = await engine.createBackend(recipe.device);
  const { families, objectives, cacheFolder } = engine;
  const loaded = await loadModel({
    ...{ path, dtype, quantization, resizeVocabulary, experts, backend, families, seed, objectives },
    methods: [...methods, ...methodsOf(recipe.objective, objectives)],
    ...{ objective: recipe.objective, adapters: adapters.methods },
  });
  try {
    await adapters.load(loaded, methods);
    const maxLength = maxLengthOf(recipe.data, loaded.model.shape);
    const rows = await openData(recipe.data, {
      tokenizer: loaded.tokenizer,
      maxLength,
      seed,
      ...{ objective: recipe.objective, objectives },
      cacheFolder,
      onPhase,
      ...(onWarning === undefined ? {} : { onWarning }),
      ...(signal === undefined ? {} : { signal }),
    });
    const objective = createObjective(recipe.objective, loaded.tokenizer, objectives);
    const steps = stepsOf(recipe.trainer, rows.train.length * rowsEachOf(objective));
    // Before anything is trained or restored: what they are computed from is the model as it was loaded.
    const known = await dataWithPriors(rows, {
      ...{ loaded, objective, batchSize, maxLength, cacheFolder, onPhase },
      openOther: (other) => loadModel({ path: other, families, backend, objective: recipe.objective, objectives }),
    });
    const asked = objective.rollouts?.judge;
    if (asked !== undefined) onPhase('loading the reward model');
    const { device } = recipe;
    const { template } = recipe.data;
    const judge =
      asked && (await openJudge(asked, { engine, trained: loaded, device, batchSize, maxLength, template }));
    const { data, dispose } = dataWithRollouts(known, {
      ...{ loaded, objective, batchSize, maxLength, seed, onWarning },
      judge: judge?.judge,
    });
    const disposeRollouts = async (): Promise<void> => {
      await dispose();
      await judge?.dispose();
    };
    return { recipe, methods, loaded, objective, data, maxLength, steps, disposeRollouts };
  } catch (error) {
    loaded.dispose();
    throw error;
  }
}

/** What a trainer is made of. Without checkpoints it writes none. */
export type TrainerParts = Pick<OpenRun, 'recipe' | 'loaded' | 'objective' | 'data' | 'maxLength' | 'steps'> &
  Partial<Pick<OpenRun, 'checkpoints'>>;

/** `overrides` take the place of what the recipe says. */
export function openTrainer(
  parts: TrainerParts,
  options: TrainOptions,
  overrides: Partial<Pick<TrainerOptions, 'learningRate' | 'schedule' | 'divergence'>> = {},
): Promise<Trainer> {
  const { recipe, loaded, objective, data, maxLength, checkpoints, steps } = parts;
  const { model, parameters, backend, tokenizer } = loaded;
  const { learningRate, weightDecay, batchSize, gradientAccumulation, seed, gradientCheckpointing } = recipe.trainer;
  const evaluation = evaluationOf(parts, options);
  const previous = previousRun(recipe);
  return createTrainer({
    ...{ model, parameters, backend, objective, rows: data.train, steps, maxLength },
    ...{ learningRate, weightDecay, batchSize, gradientAccumulation, seed, gradientCheckpointing },
    accumulateApart: recipe.trainer.accumulateApart,
    mostExecutables: recipe.trainer.mostPrograms,
    optimizer: optimizerOf(recipe.trainer),
    schedule: scheduleOf(recipe.trainer),
    padToken: tokenizer.padId,
    ...(data.earlier && { earlier: data.earlier }),
    ...(previous && { previous }),
    ...(checkpoints && { checkpoints: { store: checkpoints, every: recipe.trainer.checkpointEvery } }),
    ...(evaluation === null ? {} : { evaluation }),
    ...overrides,
  });
}

function evaluationOf(
  { recipe, loaded, data }: TrainerParts,
  { measure, best }: TrainOptions,
): EvaluationOptions | null {
  const { validation } = data;
  if (validation === null) return null;
  if (validation.length === 0) {
    throw new TunesmithError('DATA_INVALID', 'the held-out data has no rows', { where: 'data.validation' });
  }
  const { evaluateEvery, earlyStopping } = recipe.trainer;
  return {
    rows: () => validation.rows(),
    every: evaluateEvery,
    sample: () => sampleTexts(loaded, recipe),
    ...(earlyStopping === undefined ? {} : { earlyStopping }),
    ...(best === undefined ? {} : { best }),
    ...(measure === undefined ? {} : { measure: (step: number) => measure(loaded, step) }),
  };
}
