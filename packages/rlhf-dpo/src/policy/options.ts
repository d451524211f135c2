import { z } from 'zod';
import { referenceAdapterOption } from '../reference/reference-options.js';

/** How a policy answers, what it is held to, and how often it learns from its answers. */
export const policyOptions = {
  prompts: z
    .int()
    .positive()
    .default(8)
    .describe('Prompts that are answered before anything is learnt of the answers. This project’s choice.'),
  maxNewTokens: z
    .int()
    .positive()
    .default(256)
    .describe(
      'Most tokens of an answer, of what `data.maxLength` allows. Default: TRL’s `max_completion_length`, 256.',
    ),
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe('Of the answers, and of the log-probabilities that are learnt. Default: TRL’s GRPOConfig, 1.'),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe(
      'Draws among the most likely tokens that add up to it; not heeded in log-probabilities. Default: TRL’s, 1.',
    ),
  missingEndPenalty: z
    .number()
    .min(0)
    .default(0)
    .describe('Taken off the reward of an answer that was cut off. Default: none, as TRL’s `missing_eos_penalty`.'),
  ...referenceAdapterOption,
};

export const clipOptions = {
  clipLow: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.2)
    .describe(
      'How far below 1 a token’s probability may fall, as a ratio, before it stops counting. Default: TRL’s `epsilon`, 0.2.',
    ),
  clipHigh: z
    .number()
    .gt(0)
    .default(0.2)
    .describe('How far above 1 it may rise; DAPO has 0.28. Default: that of `clipLow` in TRL, 0.2.'),
};
