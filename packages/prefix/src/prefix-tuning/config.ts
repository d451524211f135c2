import { z } from 'zod';
import { virtualTokensOption } from '../virtual-tokens-option.js';

/** Prefix tuning's options: PEFT's, in camel case. */
export const prefixTuningConfigSchema = z.object({
  virtualTokens: virtualTokensOption(
    'Keys and values put before those of the text, in every layer.',
    20,
    "20, as in PEFT's examples; its `num_virtual_tokens` has none",
  ),
  projection: z
    .boolean()
    .default(false)
    .describe(
      "Compute the prefix from smaller embeddings by an MLP while training (Li & Liang 2021, §4.3). Default: PEFT's `prefix_projection` = false.",
    ),
  projectionSize: z
    .int()
    .min(1)
    .optional()
    .describe("The MLP's inner width. Default: the width of a layer's keys, as PEFT's `encoder_hidden_size`."),
  init: z
    .enum(['random', 'zero'])
    .default('random')
    .describe(
      "What the prefix starts as: N(0, 1), or through the MLP what that makes of it; or zeros. Default: random, as PEFT's `init_weights` = null.",
    ),
});

export type PrefixTuningConfig = z.output<typeof prefixTuningConfigSchema>;
