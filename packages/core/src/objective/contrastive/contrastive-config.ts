import { z } from 'zod';

/** How a text's states become one vector, by the words of sentence-transformers' Pooling module. */
export const poolingModes = ['mean', 'cls', 'lasttoken'] as const;

export const contrastiveConfigSchema = z.object({
  loss: z
    .enum(['multiple-negatives', 'cosent', 'cosine'])
    .default('multiple-negatives')
    .describe(
      'What is minimised. Of rows of an anchor, a positive and perhaps hard negatives: `multiple-negatives`, cross-entropy over all of the batch’s positives and negatives (InfoNCE, van den Oord et al. 2018; MultipleNegativesRankingLoss of sentence-transformers). Of two sentences and a score: `cosent`, which orders pairs by their scores (CoSENTLoss), or `cosine`, the squared error of the cosine (CosineSimilarityLoss). Default: the first, this project’s choice.',
    ),
  scale: z
    .number()
    .positive()
    .optional()
    .describe(
      'What similarities are multiplied by: one over the temperature. If not said, 20, and 1 for dot products, as sentence-transformers has it. `cosine` has none.',
    ),
  similarity: z
    .enum(['cosine', 'dot'])
    .default('cosine')
    .describe('How two vectors are compared (`similarity_fct` of sentence-transformers’ losses: the cosine).'),
  symmetric: z
    .boolean()
    .default(false)
    .describe(
      'Whether anchors are looked for by their positives too, the mean of both being the loss (MultipleNegativesSymmetricRankingLoss). Off by default.',
    ),
  negatives: z
    .int()
    .min(0)
    .default(7)
    .describe(
      'Most hard negatives of a row that are taken, in their order: 7, as `train_group_size` 8 of FlagEmbedding has it. Rows with fewer cost no more for it.',
    ),
  pooling: z
    .enum(poolingModes)
    .optional()
    .describe(
      'What of a text’s states is its vector: their mean, the first’s or the last’s (sentence-transformers’ `pooling_mode`). If not said, as a sentence-transformers folder has it, else the mean, and the last of a decoder’s.',
    ),
  normalize: z
    .boolean()
    .optional()
    .describe(
      'Whether vectors are divided by their norm (sentence-transformers’ Normalize module), which cosines do not notice. If not said, as a sentence-transformers folder has it, else not.',
    ),
});

export type ContrastiveConfig = z.output<typeof contrastiveConfigSchema>;
export type Pooling = (typeof poolingModes)[number];
