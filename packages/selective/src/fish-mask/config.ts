import { z } from 'zod';
import { moduleNames } from '../weights/chosen-modules.js';

/** Options of FishMask. */
export const fishMaskConfigSchema = z.object({
  ratio: z
    .number()
    .gt(0)
    .max(1)
    .default(0.005)
    .describe(
      "Share of the weights that trains, a new head's counted in. Default: 0.005, the 0.5 % of the paper's GLUE results (FISH, README.md).",
    ),
  samples: z
    .int()
    .min(1)
    .default(1024)
    .describe(
      'Rows that the Fisher information is estimated from; no more than the data has. Default: 1024, as for those results.',
    ),
  labels: z
    .enum(['data', 'model'])
    .default('data')
    .describe(
      "Labels that the estimate takes the loss for: `data`, the empirical Fisher, or `model`, the model's own distribution. Default: `data`, as in the paper's code (`label-square`); it names the other `expect`.",
    ),
  score: z
    .enum(['square', 'absolute'])
    .default('square')
    .describe(
      "What is summed of each gradient: its square, the Fisher's diagonal, or its magnitude. Default: `square`, as in the paper's code.",
    ),
  modules: moduleNames
    .optional()
    .describe(
      'Only the weights inside the modules named take part: a list of names or path endings, such as `self_attn` or `q_proj`, or one regular expression for whole paths. Default: all.',
    ),
});

export type FishMaskConfig = z.output<typeof fishMaskConfigSchema>;
