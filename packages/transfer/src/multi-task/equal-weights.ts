import { apiVersion, defineObjective, tf } from '@tunesmith/core';
import { z } from 'zod';
import { tasksObjective, tasksOption } from './tasks.js';

export const equalWeightsConfigSchema = z.object({ tasks: tasksOption });

export type EqualWeightsConfig = z.output<typeof equalWeightsConfigSchema>;

/** Σ Lₖ: every task weighs 1, however many rows it has. */
export const equalWeights = defineObjective({
  name: 'equal-weights',
  apiVersion,
  summary: 'Several tasks, each weighing the same',
  config: equalWeightsConfigSchema,
  rows: 'answers',
  create: ({ tasks }) => tasksObjective(tasks, { weigh: () => tasks.map(() => tf.scalar(1)) }),
});
