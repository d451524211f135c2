import { apiVersion, type Control, defineObjective, type Handle } from '@tunesmith/core';
import { z } from 'zod';
import { controlled, tasksObjective, tasksOption } from './tasks.js';

export const gradnormConfigSchema = z.object({
  tasks: tasksOption,
  alpha: z
    .number()
    .min(0)
    .default(1.5)
    .describe('How strongly tasks are held to one rate of training, α. Default: 1.5, the paper’s for NYUv2.'),
  rate: z
    .number()
    .positive()
    .default(0.025)
    .describe('How far a step moves the weights. Default: this project’s choice.'),
});

export type GradnormConfig = z.output<typeof gradnormConfigSchema>;

const memorySchema = z.object({ weights: z.array(z.number()), first: z.array(z.number()) });

/** No weight falls below it: a task is never unlearnt. */
const leastWeight = 1e-3;

/**
 * GradNorm (Chen et al. 2018, arXiv:1711.02257, algorithm 1): weights move so that the norms of the tasks' weighed gradients,
 * Gₖ = wₖ·‖∇Lₖ‖ at what is trained of the last block, come near Ḡ·rₖ^α, where rₖ is how much of a task's first loss is left over the
 * tasks' mean of that. The step is that of Σ |Gₖ/Ḡ − rₖ^α|, the paper's over Ḡ, so that it does not depend on how large gradients are.
 */
export const gradnorm = defineObjective({
  name: 'gradnorm',
  apiVersion,
  summary: 'Several tasks, weighed so that all are learnt at one rate, by their gradients’ norms',
  config: gradnormConfigSchema,
  rows: 'answers',
  create: (config) => ({
    ...tasksObjective(config.tasks, { weigh: (_, t) => controlled(t, 'weights') }),
    coupled: 'the norm of a gradient over several batches is not the sum of theirs',
    controls: { weights: balanced(config) },
    probe: { terms: config.tasks, at: lastBlock },
  }),
});

/** The weights by the losses and gradient norms that were seen. */
export function balanced({ tasks, alpha, rate }: GradnormConfig): Control {
  const equal = tasks.map(() => 1);
  return {
    shape: [tasks.length],
    value: (_, memory) => (memory === null ? equal : memorySchema.parse(memory).weights),
    next(memory, { terms, observed }) {
      const losses = tasks.map((task) => terms[task] ?? 0);
      const norms = tasks.map((task) => observed[`gradientNorm.${task}`] ?? 0);
      // A step that lacks rows of a task compares nothing.
      if ([...losses, ...norms].some((value) => !(value > 0))) return memory;
      const { weights, first } = memory === null ? { weights: equal, first: losses } : memorySchema.parse(memory);
      const weighed = norms.map((norm, task) => (weights[task] as number) * norm);
      const left = losses.map((loss, task) => loss / (first[task] as number));
      const moved = norms.map((norm, task) => {
        const wanted = ((left[task] as number) / mean(left)) ** alpha;
        const direction = Math.sign((weighed[task] as number) / mean(weighed) - wanted);
        return Math.max(leastWeight, (weights[task] as number) - (rate * direction * norm) / mean(weighed));
      });
      return { weights: moved.map((weight) => weight / mean(moved)), first };
    },
  };
}

/** What is trained of the last block of which anything is; of a method that trains nothing in blocks, all. */
function lastBlock(trained: readonly Handle[]): readonly Handle[] {
  const depth = Math.max(...trained.map((handle) => handle.depth ?? -1));
  return trained.filter((handle) => depth < 0 || handle.depth === depth);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
