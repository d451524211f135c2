import type { MetricsSink, TrainerEvent } from '@tunesmith/core';
import type { Engine, OnPhase, OnWarning } from '../model/engine.js';
import type { LoadedModel } from '../model/load-model.js';
import type { Recipe } from '../recipe/recipe.js';
import { peakBytes, readMetrics } from '../run/metrics-file.js';
import { createRun, runPaths } from '../run/run-folder.js';
import { lockRun } from '../run/run-lock.js';
import { openTensorboardFile } from '../run/tensorboard-file.js';
import { evaluateUntrained } from './evaluate-untrained.js';
import { type OpenRun, openRun } from './open-run.js';
import { resolveRecipe } from './resolve-recipe.js';
import { type RunResult, summarise } from './run-result.js';
import { nothingSaved, saveResult } from './save-result.js';

export interface TrainOptions {
  /** Receive the trainer's events beside the run's own files. */
  readonly sinks?: readonly MetricsSink[];
  /** Ends the run after the step in hand, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly onPhase?: OnPhase;
  /** Told of what the run goes on in spite of, such as answers that are cut to fit into a row. */
  readonly onWarning?: OnWarning;
  /** Further metrics of each evaluation, by name. */
  readonly measure?: (loaded: LoadedModel, step: number) => Promise<Record<string, number>>;
  /** The metric that chooses the best checkpoint and stops early, lower being better; the loss if not said. */
  readonly best?: string;
}

/** Trains a recipe in a new run folder. */
export async function train(recipe: Recipe, engine: Engine, options: TrainOptions = {}): Promise<RunResult> {
  const resolved = await resolveRecipe(recipe, engine, options.onPhase, options.signal);
  const folder = await createRun(resolved);
  return continueRun(folder, { ...resolved, output: folder }, engine, options);
}

/**
 * Trains a run folder's recipe from its newest checkpoint, or from the start where it has none, to the same bits as a run
 * that was never interrupted.
 * @throws RUN_LOCKED while another process writes to the run; DIVERGED
 */
export async function continueRun(
  folder: string,
  recipe: Recipe,
  engine: Engine,
  options: TrainOptions = {},
): Promise<RunResult> {
  const lock = await lockRun(folder);
  try {
    const run = await openRun(folder, recipe, engine, options);
    try {
      return await trainToEnd(run, options);
    } finally {
      await run.dispose();
    }
  } finally {
    await lock.release();
  }
}

async function trainToEnd(run: OpenRun, { sinks = [], signal, onPhase = () => {} }: TrainOptions): Promise<RunResult> {
  const { folder, recipe, metrics, resumedAt } = run;
  const paths = runPaths(folder);
  const added = [...(recipe.metrics.tensorboard ? [openTensorboardFile(paths.tensorboard)] : []), ...sinks];
  const emit = async (event: TrainerEvent): Promise<void> => {
    metrics.write(event);
    for (const sink of added) await sink.write(event);
  };
  try {
    if (resumedAt === null && run.data.validation !== null && signal?.aborted !== true) {
      onPhase('evaluating the model as it is');
      await emit(await evaluateUntrained(run, run.data.validation));
    }
    onPhase('compiling the first step');
    let step = resumedAt ?? 0;
    let reason: RunResult['reason'] = 'finished';
    for await (const event of run.trainer.run(signal === undefined ? {} : { signal })) {
      await emit(event);
      if (event.type === 'end') ({ step, reason } = event);
    }
    const saved = reason === 'aborted' ? nothingSaved : await saveResult(run, step, onPhase);
    const summary = summarise(readMetrics(paths.metrics), saved.savedStep);
    return {
      run: folder,
      reason,
      from: resumedAt ?? 0,
      step,
      steps: run.steps,
      ...saved,
      ...summary,
      peakBytes: peakBytes(),
    };
  } finally {
    for (const sink of added) await sink.close?.();
  }
}
