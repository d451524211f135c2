import { apiVersion, defineObjective, tf } from '@tunesmith/core';
import { z } from 'zod';
import { logVariances, logVariancesOf } from './log-variances.js';
import { tasksObjective, tasksOption } from './tasks.js';

export const uncertaintyConfigSchema = z.object({
  tasks: tasksOption,
  learningRate: z
    .number()
    .positive()
    .default(0.01)
    .describe('Of the log-variances; the run’s schedule applies to it. Default: this project’s choice.'),
});

export type UncertaintyConfig = z.output<typeof uncertaintyConfigSchema>;

/**
 * Weights by uncertainty (Kendall, Gal and Cipolla 2018, arXiv:1705.07115, eq. 10, for tasks of classification, as tokens are):
 * Σ Lₖ/σₖ² + log σₖ with learnt sₖ = log σₖ², which is Σ e^(−sₖ)·Lₖ + sₖ/2.
 */
export const uncertainty = defineObjective({
  name: 'uncertainty',
  apiVersion,
  summary: 'Several tasks, weighed by how uncertain each is, which is learnt',
  config: uncertaintyConfigSchema,
  rows: 'answers',
  create: ({ tasks, learningRate }) => ({
    ...tasksObjective(tasks, {
      weigh: (model, t) => logVariancesOf(model, t).map((s) => tf.exp(tf.neg(s))),
      add: (model, t) => logVariancesOf(model, t).map((s) => tf.div(s, 2)),
    }),
    methods: [logVariances({ tasks: tasks.length, learningRate })],
  }),
});
