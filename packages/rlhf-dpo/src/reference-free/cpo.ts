import { apiVersion, defineObjective, TunesmithError, tf } from '@tunesmith/core';
import { z } from 'zod';
import { dpoLosses } from '../dpo/losses.js';
import { sharedPromptOption } from '../pairs/shared-prompt-option.js';
import { unpackable } from '../pairs/unpackable.js';
import { referenceFree, scaled } from './reference-free.js';

export const cpoConfigSchema = z.object({
  loss: z
    .enum(['sigmoid', 'hinge', 'ipo'])
    .default('sigmoid')
    .describe('What is made of log π(chosen) − log π(rejected). Default: TRL’s `loss_type`, sigmoid (the paper’s).'),
  beta: z.number().positive().default(0.1).describe('β of the loss; for `ipo` it is τ. Default: TRL’s CPOConfig, 0.1.'),
  labelSmoothing: z
    .number()
    .min(0)
    .lt(0.5)
    .default(0)
    .describe('How likely a preference is the wrong way round, with `sigmoid`. Default: TRL’s CPOConfig, 0.'),
  nllWeight: z
    .number()
    .min(0)
    .default(1)
    .describe('What the chosen answer’s −log p, a mean over tokens, weighs beside. Default: TRL’s `cpo_alpha`, 1.'),
  ...sharedPromptOption,
});

export type CpoConfig = z.output<typeof cpoConfigSchema>;

/**
 * Contrastive preference optimisation (Xu et al. 2024, arXiv:2401.08417, eq. 3): DPO's loss with a reference that finds all answers alike, and
 * the chosen answer learnt word for word. Log-probabilities are sums, but means over tokens for `ipo`, as TRL has it.
 */
export const cpo = defineObjective({
  name: 'cpo',
  apiVersion,
  summary: 'Contrastive preference optimisation: DPO without a reference, beside learning the chosen answer',
  config: cpoConfigSchema,
  rows: 'preferences',
  unpackable,
  // trl/examples/scripts/cpo.py, the rate of its LoRA example.
  defaults: { learningRate: 8e-5 },
  create({ loss, nllWeight, sharedPrompt, ...options }) {
    if (options.labelSmoothing > 0 && loss !== 'sigmoid') {
      throw new TunesmithError('CONFIG_INVALID', `the loss ${loss} has no smoothing`, {
        where: 'cpo.labelSmoothing',
        expected: '0',
        got: String(options.labelSmoothing),
      });
    }
    // The answers of `ipo` are means already.
    const name = loss === 'ipo' ? 'ipo_sum' : loss;
    return referenceFree('cpo', {
      averaged: loss === 'ipo',
      learnt: 'answer',
      learntWeight: nllWeight,
      sharedPrompt,
      loss(answers) {
        const none = tf.zerosLike(answers.weights);
        return dpoLosses[name].of({ ...answers, referenceChosen: none, referenceRejected: none }, options);
      },
      rewards: (answers) => scaled(answers, options.beta),
    });
  },
});
