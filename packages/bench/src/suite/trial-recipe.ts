import { overrideRecipe, type RecipeSource } from '@tunesmith/runtime';
import type { PreparedTask } from '../task/task.js';
import { type Cell, cellName } from './cells.js';
import type { Suite } from './suite-schema.js';

/** What of a trial is not its cell. */
export interface TrialSettings {
  readonly seed: number;
  /** The method's own default if not said. */
  readonly learningRate?: number;
}

/** A trial as the recipe of an ordinary run: what `tunesmith train` would take. */
export function trialRecipe(suite: Suite, cell: Cell, task: PreparedTask, settings: TrialSettings): RecipeSource {
  const { ownText: _, ...model } = suite.models[cell.model] ?? {};
  const { learningRates: __, ...method } = suite.methods[cell.method] ?? {};
  const { steps, batchSize, maxLength, evaluations } = suite.budgets[cell.budget] as Suite['budgets'][string];
  const { device, plugins } = suite;
  const base = {
    value: {
      ...{ model, device, plugins, objective: task.objective, method: cell.method },
      data: { ...task.data, train: task.train, validation: task.validation, ...(maxLength && { maxLength }) },
      // Only the best checkpoint matters; the last step has one anyway.
      trainer: { ...suite.trainer, steps, batchSize, checkpointEvery: steps, keepCheckpoints: 1 },
    },
    where: cellName(cell),
  };
  const own = overrideRecipe(base, { trainer: { evaluateEvery: Math.ceil(steps / evaluations) }, ...method }, '/');
  return overrideRecipe(own, { trainer: { ...settings } }, '/');
}
