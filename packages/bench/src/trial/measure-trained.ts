import { canMerge, type Task } from '@tunesmith/core';
import { headOf, type LoadedModel, type RunResult, saveModel } from '@tunesmith/runtime';
import { evaluateSplit, priorsOf, type SplitPriors } from '../measure/evaluate-split.js';
import { finalAnswerShare } from '../measure/final-answers.js';
import { forwardTime } from '../measure/forward-time.js';
import type { Split } from '../measure/open-split.js';
import { withOwnHead, words } from './open-for-words.js';
import { type TrialParts, withModel } from './open-trained.js';
import type { Measurement } from './trial-result.js';

/** What was trained, over the held-out splits and the base's own domain. */
export async function measureQuality(parts: TrialParts, result: RunResult): Promise<Measurement['quality']> {
  const { request, recipe, engine } = parts;
  const { objective } = recipe;
  const evaluateOn = async (loaded: LoadedModel, split: Split, priors?: SplitPriors) => {
    const evaluated = await evaluateSplit(loaded, split, priors);
    if (request.task.metric.name !== 'finalAnswer') return evaluated;
    const share = await finalAnswerShare(loaded, split.file, split.batchSize);
    return { ...evaluated, metrics: { ...evaluated.metrics, finalAnswer: share } };
  };
  const [validation, test] = [request.task.validation, request.task.test].map((file) => splitOf(parts, file)) as [
    Split,
    Split,
  ];
  const hasOwnHead = isClassifying(headOf(objective, engine.objectives).task);
  const before = hasOwnHead
    ? null
    : await withModel(parts, { trained: null, objective }, async (loaded) => {
        const priors = { validation: await priorsOf(loaded, validation), test: await priorsOf(loaded, test) };
        return { priors, untrained: await evaluateOn(loaded, test, priors.test) };
      });
  const held = await withModel(parts, { trained: result, objective }, async (loaded) => ({
    test: await evaluateOn(loaded, test, before?.priors.test),
    validation: await evaluateOn(loaded, validation, before?.priors.validation),
  }));
  const forgetting = await measureForgetting(parts, result);
  return { ...held, untrained: before?.untrained ?? null, forgetting };
}

/** Whether a task puts a head on the model that the base does not have. */
function isClassifying(task: Task): boolean {
  return ['sequence-classification', 'token-classification', 'question-answering'].includes(task);
}

/**
 * Cross-entropy on text of the base's own domain, before and after; null without such text, and for a classifier whose base
 * has no head that continues texts.
 */
async function measureForgetting(parts: TrialParts, trained: RunResult): Promise<Measurement['quality']['forgetting']> {
  const { request, recipe, engine } = parts;
  if (request.ownText === null) return null;
  const { task } = headOf(recipe.objective, engine.objectives);
  const isClassifier = isClassifying(task);
  const objective = task === 'causal-lm' || isClassifier ? words : recipe.objective;
  const { data, ...split } = splitOf(parts, request.ownText);
  const { train, maxLength, shuffle, packing, promptLossWeight, trainOnHistory, longText } = data;
  const read = { train, maxLength, shuffle, packing, promptLossWeight, trainOnHistory, longText };
  const own: Split = { ...split, objective, data: { ...read, format: 'text' } };
  const lossOf = async (loaded: LoadedModel): Promise<number> => (await evaluateSplit(loaded, own)).loss;
  const after = isClassifier
    ? await withOwnHead(parts, trained, lossOf)
    : await withModel(parts, { trained, objective }, lossOf);
  if (after === null) return null;
  const before = await withModel(parts, { trained: null, objective }, lossOf);
  return { before, after, change: after - before };
}

/** Seconds per thousand tokens of the base, the adapter beside it, and the adapter merged into it. */
export async function measureInference(
  parts: TrialParts,
  trained: RunResult,
  mergedFolder: string,
): Promise<Measurement['inference']> {
  const { recipe, request } = parts;
  const { name } = recipe.objective;
  const isTimed = name === 'sft' || name === 'classification';
  if (request.kind === 'tuning' || !request.alone || !isTimed) return null;
  const { objective } = recipe;
  const split = splitOf(parts, request.task.test);
  const time = (what: Pick<RunResult, 'adapters' | 'model'> | null): Promise<number> =>
    withModel(parts, { trained: what, objective }, (loaded) => forwardTime(loaded, split));
  // A classifier's head is nothing that the base has.
  const base = name === 'sft' ? await time(null) : null;
  const separate = await time(trained);
  if (trained.model !== null) return { base, separate, merged: separate };
  // Sums are made in float32, as `tunesmith merge` makes them, also where the method's own base is quantised.
  const model = { ...recipe.model, quantization: 'none', dtype: 'float32' } as const;
  const whole = { ...parts, recipe: { ...recipe, model } };
  const isMerged = await withModel(whole, { trained, objective }, async (loaded) => {
    if (canMerge(loaded.model)) await saveModel(loaded, mergedFolder, objective);
    return canMerge(loaded.model);
  });
  return { base, separate, merged: isMerged ? await time({ adapters: [], model: mergedFolder }) : null };
}

function splitOf({ recipe, engine, cacheFolder }: TrialParts, file: string): Split {
  const { data, objective, trainer } = recipe;
  return { file, data, objective, objectives: engine.objectives ?? [], batchSize: trainer.batchSize, cacheFolder };
}
