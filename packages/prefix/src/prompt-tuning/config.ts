import { z } from 'zod';
import { virtualTokensOption } from '../virtual-tokens-option.js';

/** Prompt tuning's options. */
export const promptTuningConfigSchema = z
  .object({
    virtualTokens: virtualTokensOption(
      'Embeddings put before those of the text.',
      20,
      '20: fewer lose accuracy, and more gain little (Lester et al. 2021, figure 3a)',
    ),
    init: z
      .enum(['vocabulary', 'random', 'text'])
      .default('vocabulary')
      .describe(
        "What they start as: embeddings of tokens drawn from the vocabulary, N(0, 1), or a text's embeddings, repeated or cut to length. Default: vocabulary, which learns far more than PEFT's `RANDOM` (Lester et al. 2021, figure 3b).",
      ),
    initText: z.string().min(1).optional().describe('The text that `init: text` starts from.'),
  })
  .refine(({ init, initText }) => (init === 'text') === (initText !== undefined), {
    path: ['initText'],
    message: 'needed by `init: text`, and by nothing else',
  });

export type PromptTuningConfig = z.output<typeof promptTuningConfigSchema>;
