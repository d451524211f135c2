import { z } from 'zod';
import { virtualTokensOption } from '../virtual-tokens-option.js';

/** P-tuning v2's options, by the names of prefix tuning's. */
export const pTuningV2ConfigSchema = z.object({
  virtualTokens: virtualTokensOption(
    'Keys and values put before those of the text, in every layer.',
    20,
    'the length at which simple classification saturates (Liu et al. 2021b, §3.2); hard sequence labelling wants about 100',
  ),
  projection: z
    .boolean()
    .default(false)
    .describe("Compute the prefix by an MLP. Default: the reference implementation's `prefix_projection` = false."),
  projectionSize: z
    .int()
    .min(1)
    .default(512)
    .describe("The MLP's inner width. Default: the reference implementation's `prefix_hidden_size` = 512."),
  dropout: z
    .number()
    .min(0)
    .max(0.95)
    .default(0.1)
    .describe(
      "Dropout on the prefix, in training only, drawn for each row. Default: 0.1, the reference implementation's `hidden_dropout_prob`.",
    ),
});

export type PTuningV2Config = z.output<typeof pTuningV2ConfigSchema>;
