import { z } from 'zod';

/** The biases of a block, as Ben Zaken et al. (2022, §3.1) divide them. */
export const biasGroups = [
  'query',
  'key',
  'value',
  'attentionOutput',
  'attentionNorm',
  'intermediate',
  'output',
  'outputNorm',
] as const;

export type BiasGroup = (typeof biasGroups)[number];

/** Options of BitFit. */
export const bitfitConfigSchema = z.object({
  biases: z
    .union([z.literal('all'), z.array(z.enum(biasGroups)).min(1)])
    .default('all')
    .describe(
      'Which biases train: `all` of the model, or those of the groups listed, in every block: `query`, `key`, `value`, `attentionOutput`, `attentionNorm` (of the block’s two norms the first), `intermediate`, `output` (into and out of the feed-forward layer), `outputNorm`. Default: all, as in the paper; `[query, intermediate]` did nearly as well there.',
    ),
});

/** What a user may say of BitFit. */
export type BitfitOptions = z.input<typeof bitfitConfigSchema>;
