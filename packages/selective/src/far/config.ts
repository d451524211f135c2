import { z } from 'zod';

/** Options of FAR. */
export const farConfigSchema = z.object({
  priming: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.05)
    .describe(
      "Share of the run's steps for which everything trains before the nodes are chosen, at least one step. Default: 0.05, ours; a few steps tell which nodes move.",
    ),
  keep: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.1)
    .describe(
      'Share of the nodes that go on training, in each linear layer of the feed-forward layers, at least one. Default: 0.1, ours.',
    ),
  rest: z
    .enum(['train', 'freeze'])
    .default('train')
    .describe(
      'Whether what is outside the feed-forward layers trains throughout, or is frozen from the start. Default: it trains; FAR chooses among the nodes of feed-forward layers.',
    ),
});

export type FarConfig = z.output<typeof farConfigSchema>;
