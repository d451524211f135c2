import { z } from 'zod';

/** PEFT's kinds of combination (`combination_type` of add_weighted_adapter). */
const combinations = [
  'linear',
  'cat',
  'svd',
  'ties',
  'ties_svd',
  'dare_linear',
  'dare_linear_svd',
  'dare_ties',
  'dare_ties_svd',
  'magnitude_prune',
  'magnitude_prune_svd',
] as const;

/** How adapters become one; names and defaults are PEFT's (LoraModel.add_weighted_adapter in peft/tuners/lora/model.py). */
export const combineOptionsSchema = z.object({
  combination: z
    .enum(combinations)
    .default('svd')
    .describe(
      'What is added up: A and B by themselves (linear, ties, dare_*, magnitude_prune), side by side (cat, exact, ranks add up), or the updates B·A, whose best approximation of a rank is kept (svd and *_svd). Default: PEFT’s `combination_type` = svd.',
    ),
  svdRank: z
    .int()
    .min(1)
    .optional()
    .describe('Rank of the result of svd and *_svd. Default: the largest of the adapters’ (`svd_rank`).'),
  density: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Share of values that ties, dare_* and magnitude_prune keep. No default, as in PEFT: name it.'),
  majoritySign: z
    .enum(['total', 'frequency'])
    .default('total')
    .describe('How ties elects a sign: by the sum of the values, or of their signs (`majority_sign_method` = total).'),
  seed: z.int().min(0).default(0).describe('What dare_* drops. PEFT draws from torch’s generator; 0 is our choice.'),
});

export type CombineOptions = z.output<typeof combineOptionsSchema>;
