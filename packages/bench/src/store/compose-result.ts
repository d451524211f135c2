import { type Recipe, recipeDocument } from '@tunesmith/runtime';
import type { TrialRequest } from '../trial/trial-request.js';
import type { Measurement, TrialOutcome } from '../trial/trial-result.js';
import type { TrialRecord, TrialResult } from './result-file.js';

/** Packages whose versions PEFT's tools look for; none of them ran. */
const peftPackages = ['peft', 'transformers', 'datasets', 'torch', 'bitsandbytes'];

/** Where and by what a trial ran. */
export interface Surroundings {
  /** The commit of the working folder, if it is one, and whether files differ from it. */
  readonly commit: { readonly hash: string; readonly isDirty: boolean } | null;
  readonly system: Readonly<Record<string, string | number>>;
  readonly packages: Readonly<Record<string, string>>;
}

/** A trial's file of what its process told. */
export function composeResult(
  request: TrialRequest,
  outcome: TrialOutcome,
  { commit, system, packages }: Surroundings,
  now: Date,
): TrialResult {
  const { recipe, task, cell, identity } = request;
  const { key, suite, kind, seed, learningRate, threads, alone } = request;
  const { summary, licence, source, metric } = task;
  const measured = outcome.status === 'success' ? outcome.measurement : null;
  const document = recipeDocument(recipe);
  const trial: TrialRecord = {
    ...{ key, suite, cell, kind, seed, learningRate, threads, alone, identity, outcome },
    task: { summary, licence, source, metric },
    recipe: document,
  };
  const totalSeconds = outcome.status === 'success' ? outcome.measurement.costs.totalSeconds : outcome.totalSeconds;
  return {
    run_info: {
      created_at: now.toISOString(),
      total_time: totalSeconds,
      experiment_name: `${recipe.methods.map(({ name }) => name).join('+')}/${cell.method}`,
      peft_branch: null,
      ...(commit && { commit: commit.hash, worktree_is_dirty: commit.isDirty }),
      train_config: { ...recipe.trainer, model_id: cell.model },
      peft_config: peftConfig(recipe),
      error_msg: outcome.status === 'failed' ? `${outcome.failure.kind}: ${outcome.failure.message}` : '',
    },
    train_info: {
      accelerator_memory_reserved_avg: measured?.costs.residentBytes?.mean ?? null,
      accelerator_memory_max: measured?.costs.devicePeakBytes ?? measured?.costs.peakBytes ?? null,
      accelerator_memory_reserved_99th: measured?.costs.residentBytes?.percentile99 ?? null,
      train_time: measured?.costs.trainSeconds ?? 0,
      file_size: measured?.size.adapterBytes ?? 0,
      num_trainable_params: measured?.size.trainedParameters ?? 0,
      num_total_params: measured?.size.totalParameters ?? 0,
      status: outcome.status,
      metrics: measured === null ? [] : peftMetrics(measured, metric.name),
    },
    meta_info: {
      model_info: { name: cell.model, sha256: identity.model },
      dataset_info: { [cell.task]: { sha256: identity.data } },
      package_info: { ...Object.fromEntries(peftPackages.map((name) => [`${name}-version`, null])), ...packages },
      system_info: system,
      pytorch_info: null,
    },
    trial,
  };
}

/** PEFT has one method in a config, under its type; of several the names are joined. */
function peftConfig({ methods }: Recipe): Record<string, unknown> {
  const type = methods.map(({ name }) => name.toUpperCase()).join('+');
  return { peft_type: type, ...Object.assign({}, ...methods.map(({ config }) => config)) };
}

/** The learning curve under PEFT's names, the test split last. Its accuracy is whatever share of right answers counts. */
function peftMetrics({ curve, quality, costs }: Measurement, metric: string): Record<string, unknown>[] {
  const accuracyOf = (metrics: Readonly<Record<string, number>>): number | undefined =>
    [metrics[metric], metrics.accuracy, metrics.exactMatch].find((value) => value !== undefined && value <= 1);
  const points = curve.map(({ step, trainLoss, validationLoss, metrics }) => ({
    step,
    ...withValue('valid accuracy', accuracyOf(metrics)),
    'valid loss': validationLoss,
    'train loss': trainLoss,
  }));
  const last = {
    step: costs.steps,
    ...withValue('test accuracy', accuracyOf(quality.test.metrics)),
    'train loss': curve.findLast(({ trainLoss }) => trainLoss !== null)?.trainLoss ?? null,
    'train samples': costs.rows,
    'train total tokens': costs.tokens,
    ...withValue('forgetting', quality.forgetting?.change),
  };
  return [...points, last];
}

function withValue(name: string, value: number | undefined): Record<string, number> {
  return value === undefined ? {} : { [name]: value };
}
