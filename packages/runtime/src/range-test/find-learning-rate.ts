import { type Schedule, TunesmithError } from '@tunesmith/core';
import type { Engine } from '../model/engine.js';
import type { Recipe } from '../recipe/recipe.js';
import { openParts, openTrainer } from '../train/open-run.js';
import { resolveRecipe } from '../train/resolve-recipe.js';
import type { TrainOptions } from '../train/train.js';
import { isOver, type RangePoint, type RateSuggestion, suggestRate } from './suggest-rate.js';

/** Which rates are tried, and in how many steps. */
export interface RateRange {
  readonly from: number;
  readonly to: number;
  readonly steps: number;
}

/** The range of the mission's texts, in as many steps as fastai's `lr_find` takes. */
export const defaultRateRange: RateRange = { from: 1e-7, to: 1e-3, steps: 100 };

export interface FoundRate extends RateSuggestion {
  readonly range: RateRange;
  /** Up to where the loss was no number, or many times its lowest. */
  readonly points: readonly RangePoint[];
}

export interface FindRateOptions extends Pick<TrainOptions, 'signal' | 'onPhase' | 'onWarning'> {
  readonly range?: RateRange;
  readonly onPoint?: (point: RangePoint) => void;
}

/**
 * A learning-rate range test (Smith 2017, §3.3): trains the recipe from its start while the rate rises exponentially from one
 * end of the range to the other, and looks where the loss falls. The recipe's own schedule, length, evaluations and
 * checkpoints are left out, and nothing is saved.
 */
export async function findLearningRate(
  recipe: Recipe,
  engine: Engine,
  { range = defaultRateRange, onPoint, ...options }: FindRateOptions = {},
): Promise<FoundRate> {
  checkRange(range);
  const settings = { ...recipe, trainer: { ...recipe.trainer, steps: range.steps } };
  const resolved = await resolveRecipe(settings, engine, options.onPhase, options.signal);
  const parts = await openParts(resolved, engine, options);
  try {
    const trainer = await openTrainer(
      // What is held out is not trained on, and not looked at either.
      { ...parts, data: { ...parts.data, validation: null } },
      {},
      {
        learningRate: range.to,
        schedule: exponentialFrom(range.from / range.to),
        // Too high a rate is what is looked for.
        divergence: { patience: Number.POSITIVE_INFINITY, factor: Number.POSITIVE_INFINITY },
      },
    );
    try {
      const points: RangePoint[] = [];
      const enough = new AbortController();
      options.signal?.addEventListener('abort', () => enough.abort());
      try {
        for await (const event of trainer.run({ signal: enough.signal })) {
          if (event.type !== 'step') continue;
          const point = { learningRate: event.learningRate, loss: event.loss };
          points.push(point);
          onPoint?.(point);
          if (isOver(points.map(({ loss }) => loss))) enough.abort();
        }
      } catch (error) {
        // A loss that is no number ends the test, unless that was the first.
        if (points.length === 0 || !(TunesmithError.isInstance(error) && error.code === 'DIVERGED')) throw error;
      }
      return { range, points, ...suggestRate(points) };
    } finally {
      await trainer.dispose();
    }
  } finally {
    await parts.disposeRollouts();
    parts.loaded.dispose();
  }
}

/** Rises from a factor to 1, by the same factor each step. */
function exponentialFrom(lowest: number): Schedule {
  return (step, total) => lowest ** (1 - step / Math.max(1, total - 1));
}

function checkRange({ from, to, steps }: RateRange): void {
  if (from > 0 && from < to && Number.isFinite(to) && Number.isInteger(steps) && steps >= 10) return;
  throw new TunesmithError('CONFIG_INVALID', 'the range of learning rates is none', {
    expected: 'two rates above 0, the lower one first, and at least 10 steps',
    got: `${from} to ${to} in ${steps} steps`,
  });
}
