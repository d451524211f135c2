import { apiVersion, type Control, defineObjective } from '@tunesmith/core';
import { z } from 'zod';
import { controlled, tasksObjective, tasksOption } from './tasks.js';

export const dwaConfigSchema = z.object({
  tasks: tasksOption,
  temperature: z
    .number()
    .positive()
    .default(2)
    .describe('How alike the weights are, T; the higher, the more. Default: the paper’s, 2.'),
  interval: z
    .int()
    .min(1)
    .default(50)
    .describe(
      'Steps that a loss is averaged over before it is compared. Default: this project’s choice; the paper’s is an epoch.',
    ),
});

export type DwaConfig = z.output<typeof dwaConfigSchema>;

const memorySchema = z.object({
  steps: z.int(),
  sums: z.array(z.number()),
  counts: z.array(z.number()),
  /** The mean losses of the last two intervals, the later last. */
  means: z.array(z.array(z.number())),
});

type Memory = z.output<typeof memorySchema>;

/**
 * Dynamic weight average (Liu, Johns and Davison 2019, arXiv:1803.10704, eq. 7): wₖ = K·softmax(rₖ/T), where rₖ is a task's mean loss over
 * that of the interval before. A task whose loss falls more slowly weighs more. All weigh 1 until two intervals are over.
 */
export const dwa = defineObjective({
  name: 'dwa',
  apiVersion,
  summary: 'Several tasks, weighed by how slowly each one’s loss falls',
  config: dwaConfigSchema,
  rows: 'answers',
  create: (config) => ({
    ...tasksObjective(config.tasks, { weigh: (_, t) => controlled(t, 'weights') }),
    controls: { weights: averaged(config) },
  }),
});

/** The weights by what was seen of each task's loss. */
export function averaged({ tasks, temperature, interval }: DwaConfig): Control {
  const nothing: Memory = { steps: 0, sums: tasks.map(() => 0), counts: tasks.map(() => 0), means: [] };
  const read = (memory: unknown): Memory => (memory === null ? nothing : memorySchema.parse(memory));
  return {
    shape: [tasks.length],
    value(_, memory) {
      const [before, last] = read(memory).means;
      if (before === undefined || last === undefined) return tasks.map(() => 1);
      const powers = last.map((mean, task) => Math.exp(mean / (before[task] as number) / temperature));
      const total = powers.reduce((sum, power) => sum + power, 0);
      return powers.map((power) => (tasks.length * power) / total);
    },
    next(memory, { terms }) {
      const { means, ...old } = read(memory);
      const losses = tasks.map((task) => terms[task] ?? 0);
      const steps = old.steps + 1;
      // The loss of a task without a row in the step is 0, and counts for nothing.
      const sums = losses.map((loss, task) => (old.sums[task] as number) + loss);
      const counts = losses.map((loss, task) => (old.counts[task] as number) + (loss > 0 ? 1 : 0));
      if (steps < interval || counts.includes(0)) return { steps, sums, counts, means };
      const mean = sums.map((sum, task) => sum / (counts[task] as number));
      return { ...nothing, means: [...means, mean].slice(-2) };
    },
  };
}
