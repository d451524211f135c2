import { z } from 'zod';
import { virtualTokensOption } from '../virtual-tokens-option.js';

/** The LSTM unrolls into the graph, about a dozen nodes a token, layer and direction. */
const mostLstmTokens = 64;

/** P-tuning's options: PEFT's, in camel case. */
export const pTuningConfigSchema = z
  .object({
    virtualTokens: virtualTokensOption(
      'Embeddings put before those of the text.',
      20,
      "20, as in PEFT's examples; its `num_virtual_tokens` has none",
    ),
    encoder: z
      .enum(['mlp', 'lstm', 'none'])
      .default('mlp')
      .describe(
        "What computes the embeddings: an MLP of three layers, a bidirectional LSTM and an MLP of two (Liu et al. 2021a, §3.2), or nothing, as where an adapter holds what was computed. Default: PEFT's `MLP`.",
      ),
    encoderSize: z
      .int()
      .min(1)
      .optional()
      .describe("The encoder's inner width. Default: that of the embeddings, as PEFT's `encoder_hidden_size`."),
    encoderLayers: z
      .int()
      .min(1)
      .max(4)
      .default(2)
      .describe("The LSTM's layers; the MLP has its own number. Default: PEFT's `encoder_num_layers` = 2."),
  })
  .refine(({ encoder, virtualTokens }) => encoder !== 'lstm' || virtualTokens <= mostLstmTokens, {
    path: ['virtualTokens'],
    message: `at most ${mostLstmTokens} through an LSTM, whose steps each become a part of the graph; the MLP has no such limit`,
  });

export type PTuningConfig = z.output<typeof pTuningConfigSchema>;
