import { z } from 'zod';
import { moduleNames } from '../weights/chosen-modules.js';

/** Options of diff pruning. Where a default is "the code's", it is that of DiffPruning's README and examples. */
export const diffPruningConfigSchema = z.object({
  targetSparsity: z
    .number()
    .gt(0)
    .max(1)
    .default(0.005)
    .describe(
      'Share of the weights that end up different, a head that trains whole not counted. Default: 0.005, the 0.5 % of the paper (Guo et al. 2021).',
    ),
  structured: z
    .boolean()
    .default(true)
    .describe(
      'Whether each weight tensor has a gate of its own over those of its elements. Default: it has, the structured form of the paper and `per_params_alpha` of the code.',
    ),
  gated: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.5)
    .describe(
      "Share of the run's steps in which everything trains behind gates; what is left after pruning trains in the others. Default: 0.5; the code has three epochs for each.",
    ),
  penalty: z
    .number()
    .min(0)
    .default(1.25e-7)
    .describe(
      "λ, what each gate's probability of being open adds to the loss. Default: 1.25e-7, the code's `sparsity_pen`, for BERT-large: scale it by the number of weights.",
    ),
  alphaInit: z
    .number()
    .default(5)
    .describe(
      "Where the gates' α begin; a gate is open with probability σ(α − log(−l/r)). Default: 5, the code's: 0.993.",
    ),
  alphaLearningRate: z
    .number()
    .gt(0)
    .default(0.1)
    .describe("The gates' peak learning rate, whatever the run's. Default: 0.1, the code's."),
  fixedMaskRate: z
    .number()
    .gt(0)
    .default(5)
    .describe(
      "Factor on the run's learning rate for the differences that are left. Default: 5; the code has 1e-5 behind gates and 5e-5 after.",
    ),
  lower: z
    .number()
    .lt(0)
    .default(-1.5)
    .describe("l, below 0: where a gate's distribution is stretched to before it is cut. Default: −1.5, the code's."),
  upper: z.number().gt(1).default(1.5).describe("r, above 1: the same upwards. Default: 1.5, the code's."),
  modules: moduleNames
    .optional()
    .describe(
      'Only the weights inside the modules named take part: a list of names or path endings, such as `self_attn` or `q_proj`, or one regular expression for whole paths. Default: all.',
    ),
  maxWeights: z
    .int()
    .min(1)
    .default(150e6)
    .describe(
      'More weights than this are refused: behind gates each takes about 100 bytes while a step runs. Default: 150 million, about 15 GB; ours.',
    ),
});

export type DiffPruningConfig = z.output<typeof diffPruningConfigSchema>;
