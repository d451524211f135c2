import { apiVersion, defineObjective, type Tensor, tf } from '@tunesmith/core';
import { z } from 'zod';
import type { AnswerLogProbs } from '../pairs/pair-log-probs.js';
import { sharedPromptOption } from '../pairs/shared-prompt-option.js';
import { smoothed } from '../pairs/smoothed.js';
import { unpackable } from '../pairs/unpackable.js';
import { referenceFree, scaled } from './reference-free.js';

export const simpoConfigSchema = z.object({
  beta: z
    .number()
    .positive()
    .default(2)
    .describe('β: the scale of the rewards. Default: 2, as in the authors’ configuration (TRL’s CPOConfig: 0.1).'),
  gamma: z
    .number()
    .min(0)
    .default(0.5)
    .describe('γ: by how much the chosen answer’s reward should be the greater. Default: TRL’s `simpo_gamma`, 0.5.'),
  alpha: z
    .number()
    .default(0)
    .describe('α of AlphaPO, which bends the rewards; 0 is SimPO. Default: TRL’s `alpha`, 0.'),
  labelSmoothing: z
    .number()
    .min(0)
    .lt(0.5)
    .default(0)
    .describe('How likely a preference is the wrong way round. Default: TRL’s CPOConfig, 0.'),
  nllWeight: z
    .number()
    .min(0)
    .default(0)
    .describe(
      'What the chosen answer’s −log p, a mean over tokens, weighs beside: TRL’s `cpo_alpha`, CPO-SimPO. Default: 0, as in the paper.',
    ),
  ...sharedPromptOption,
});

export type SimpoConfig = z.output<typeof simpoConfigSchema>;

/**
 * Simple preference optimisation (Meng et al. 2024, arXiv:2405.14734): −log σ(β·(r_w − r_l) − γ), where r is the mean log-probability of
 * an answer's tokens, or with α the reward of AlphaPO (arXiv:2501.03884).
 */
export const simpo = defineObjective({
  name: 'simpo',
  apiVersion,
  summary:
    'Simple preference optimisation: mean log-probabilities as rewards, and a margin between them, without a reference',
  config: simpoConfigSchema,
  rows: 'preferences',
  unpackable,
  // scripts/simpo_config.py of its authors leaves the rate open; trl/examples/scripts/cpo.py, the rate of its LoRA example.
  defaults: { learningRate: 8e-5 },
  create: (config) =>
    referenceFree('simpo', {
      averaged: true,
      learnt: 'answer',
      learntWeight: config.nllWeight,
      sharedPrompt: config.sharedPrompt,
      loss: (answers) => simpoLoss(answers, config),
      rewards: (answers) => scaled(bent(answers, config.alpha), config.beta),
    }),
});

/** `[pairs]`, of log-probabilities that are means over tokens. */
export function simpoLoss(
  answers: AnswerLogProbs,
  { beta, gamma, alpha, labelSmoothing }: Omit<SimpoConfig, 'nllWeight' | 'sharedPrompt'>,
): Tensor {
  const { chosen, rejected } = bent(answers, alpha);
  return smoothed(tf.sub(tf.mul(tf.sub(chosen, rejected), beta), gamma), labelSmoothing);
}

/** (1 − p^−α)/α in place of log p, which it comes to as α goes to 0. */
function bent(answers: AnswerLogProbs, alpha: number): AnswerLogProbs {
  if (alpha === 0) return answers;
  const of = (logProb: Tensor): Tensor => tf.mul(tf.sub(1, tf.exp(tf.mul(logProb, -alpha))), 1 / alpha);
  return { ...answers, chosen: of(answers.chosen), rejected: of(answers.rejected) };
}
