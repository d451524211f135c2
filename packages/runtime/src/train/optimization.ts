import {
  adamw,
  chain,
  clipByGlobalNorm,
  constantSchedule,
  cosineSchedule,
  eightBitState,
  type GradientTransformation,
  linearSchedule,
  observeGlobalNorm,
  type Schedule,
  sgd,
  slantedTriangularSchedule,
  type Warmup,
} from '@tunesmith/core';
import type { Recipe } from '../recipe/recipe.js';

const schedules: Readonly<Record<Recipe['trainer']['schedule']['name'], (warmup: Warmup) => Schedule>> = {
  constant: constantSchedule,
  linear: linearSchedule,
  cosine: cosineSchedule,
  'slanted-triangular': slantedTriangularSchedule,
};

/** The schedule that a recipe names. */
export function scheduleOf({ schedule: { name, warmup } }: Recipe['trainer']): Schedule {
  return schedules[name](warmup);
}

/** Clipping and the update rule that a recipe names. */
export function optimizerOf({ optimizer, clipNorm }: Recipe['trainer']): GradientTransformation {
  const { name, beta1, beta2, epsilon, momentum, stateBits } = optimizer;
  const rule = name === 'adamw' ? adamw({ beta1, beta2, epsilon }) : sgd({ momentum });
  const kept = stateBits === 8 ? eightBitState(rule) : rule;
  return chain(clipNorm === 0 ? observeGlobalNorm() : clipByGlobalNorm(clipNorm), kept);
}

/** Optimizer steps of a run: as the recipe says, or its epochs over so many rows. */
export function stepsOf({ steps, epochs, batchSize, gradientAccumulation }: Recipe['trainer'], rows: number): number {
  return steps ?? Math.max(1, Math.ceil((epochs * rows) / (batchSize * gradientAccumulation)));
}
