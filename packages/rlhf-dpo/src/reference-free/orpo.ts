import { apiVersion, defineObjective, type Tensor, tf } from '@tunesmith/core';
import { z } from 'zod';
import { logSigmoid } from '../pairs/log-sigmoid.js';
import type { AnswerLogProbs } from '../pairs/pair-log-probs.js';
import { sharedPromptOption } from '../pairs/shared-prompt-option.js';
import { unpackable } from '../pairs/unpackable.js';
import { referenceFree, scaled } from './reference-free.js';

export const orpoConfigSchema = z.object({
  beta: z
    .number()
    .positive()
    .default(0.1)
    .describe('What the odds weigh beside the likelihood: λ of the paper. Default: TRL’s ORPOConfig, 0.1.'),
  nllOver: z
    .enum(['text', 'answer'])
    .default('text')
    .describe(
      'Where the chosen text is learnt word for word: prompt and answer, or the answer alone. Default: TRL’s ORPOTrainer, text.',
    ),
  ...sharedPromptOption,
});

export type OrpoConfig = z.output<typeof orpoConfigSchema>;

/**
 * Odds ratio preference optimisation (Hong et al. 2024, arXiv:2403.07691): the mean −log p of the chosen text, less β times the mean of
 * log σ(log odds(y_w) − log odds(y_l)), with odds(y) = p/(1 − p) and log p the mean over the answer's tokens.
 */
export const orpo = defineObjective({
  name: 'orpo',
  apiVersion,
  summary: 'Odds ratio preference optimisation: learns the chosen answer, and to favour it, without a reference',
  config: orpoConfigSchema,
  rows: 'preferences',
  unpackable,
  // trl/examples/scripts/orpo.py, the rate of its LoRA example.
  defaults: { learningRate: 8e-5 },
  create: ({ beta, nllOver, sharedPrompt }) =>
    referenceFree('orpo', {
      averaged: true,
      learnt: nllOver,
      learntWeight: 1,
      sharedPrompt,
      loss: (answers) => tf.mul(logSigmoid(logOddsRatio(answers)), -beta),
      rewards: (answers) => scaled(answers, beta),
      metrics(answers) {
        const ratio = logOddsRatio(answers);
        return { log_odds_chosen: ratio, log_odds_ratio: logSigmoid(ratio) };
      },
    }),
});

/** log odds(y_w) − log odds(y_l) of log-probabilities, which are means over tokens: `[pairs]`. */
export function logOddsRatio({ chosen, rejected }: Pick<AnswerLogProbs, 'chosen' | 'rejected'>): Tensor {
  return tf.sub(logOdds(chosen), logOdds(rejected));
}

/**
 * x − log(1 − e^x) for x < 0. As 1 − e^x = tanh(−x/2)·(1 + e^x), nothing is cancelled near 0. At 0 itself, which certainty and
 * padding give, the odds are taken to be 10⁷.
 */
function logOdds(logProb: Tensor): Tensor {
  const x = tf.minimum(logProb, -1e-7);
  return tf.sub(x, tf.add(tf.log(tf.tanh(tf.mul(x, -0.5))), tf.softplus(x)));
}
