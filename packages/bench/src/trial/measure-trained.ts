import { canMerge } from '@tunesmith/core';
import { type RunResult, saveModel } from '@tunesmith/runtime';
import { type EvaluateSplitOptions, evaluateSplit } from '../measure/evaluate-split.js';
import { forwardTime } from '../measure/forward-time.js';
import { type TrialParts, withModel } from './open-trained.js';
import type { Measurement } from './trial-result.js';

/** What was trained, over the held-out splits and the base's own domain. */
export async function measureQuality(parts: TrialParts, result: RunResult): Promise<Measurement['quality']> {
  const { request, recipe } = parts;
  const { objective } = recipe;
  const { test, validation } = request.task;
  const held = await withModel(parts, { trained: result, objective }, async (loaded) => ({
    test: await evaluateSplit(loaded, splitOf(parts, test)),
    validation: await evaluateSplit(loaded, splitOf(parts, validation)),
  }));
  const hasHead = objective.name === 'classification';
  const untrained = hasHead
    ? null
    : await withModel(parts, { trained: null, objective }, (loaded) => evaluateSplit(loaded, splitOf(parts, test)));
  return { ...held, untrained, forgetting: hasHead ? null : await measureForgetting(parts, result) };
}

/** Cross-entropy on text of the base's own domain, before and after. */
async function measureForgetting(parts: TrialParts, trained: RunResult): Promise<Measurement['quality']['forgetting']> {
  const { ownText } = parts.request;
  if (ownText === null) return null;
  const { objective } = parts.recipe;
  const { data, ...options } = splitOf(parts, ownText);
  const { maxLength } = data;
  const own = { ...options, data: { ...data, format: 'text' as const, maxLength } };
  const lossOf = (what: RunResult | null): Promise<number> =>
    withModel(parts, { trained: what, objective }, async (loaded) => (await evaluateSplit(loaded, own)).loss);
  const [before, after] = [await lossOf(null), await lossOf(trained)];
  return { before, after, change: after - before };
}

/** Seconds per thousand tokens of the base, the adapter beside it, and the adapter merged into it. */
export async function measureInference(
  parts: TrialParts,
  trained: RunResult,
  mergedFolder: string,
): Promise<Measurement['inference']> {
  const { recipe, request } = parts;
  if (request.kind === 'tuning' || !request.alone || recipe.objective.name !== 'sft') return null;
  const { objective } = recipe;
  const split = splitOf(parts, request.task.test);
  const time = (what: Pick<RunResult, 'adapters' | 'model'> | null): Promise<number> =>
    withModel(parts, { trained: what, objective }, (loaded) => forwardTime(loaded, split));
  const base = await time(null);
  const separate = await time(trained);
  if (trained.model !== null) return { base, separate, merged: separate };
  // Sums are made in float32, as `tunesmith merge` makes them.
  const { quantization: _, ...plain } = recipe.model;
  const whole = { ...parts, recipe: { ...recipe, model: { ...plain, dtype: 'float32' as const } } };
  const isMerged = await withModel(whole, { trained, objective }, async (loaded) => {
    if (canMerge(loaded.model)) await saveModel(loaded, mergedFolder, objective);
    return canMerge(loaded.model);
  });
  return { base, separate, merged: isMerged ? await time({ adapters: [], model: mergedFolder }) : null };
}

function splitOf({ recipe, cacheFolder }: TrialParts, file: string): EvaluateSplitOptions {
  const { data, objective, trainer } = recipe;
  return { file, data, objective, batchSize: trainer.batchSize, cacheFolder };
}
