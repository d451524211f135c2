import { apiVersion, defineObjective, type LossTerm, stopGradient, type Tensor, tf } from '@tunesmith/core';
import { z } from 'zod';
import { type PairLogProbs, pairLogProbs } from '../pairs/pair-log-probs.js';
import { referenceAdapterOption, referenceAdapters } from '../reference/reference-options.js';
import { collateRated } from './collate-rated.js';
import { ratedPrior } from './rated-prior.js';

export const ktoConfigSchema = z.object({
  beta: z
    .number()
    .positive()
    .default(0.1)
    .describe('How dear it is to leave the reference: β. Default: TRL’s KTOConfig, 0.1.'),
  desirableWeight: z
    .number()
    .positive()
    .default(1)
    .describe(
      'What a good answer weighs: λ_D. The paper (eq. 8) wants λ_D times the number of good answers to be 1 to 4/3 times λ_U times that of bad ones. Default: TRL’s KTOConfig, 1.',
    ),
  undesirableWeight: z
    .number()
    .positive()
    .default(1)
    .describe('What a bad answer weighs: λ_U. Default: TRL’s KTOConfig, 1.'),
  reference: z
    .enum(['adapter-off', 'cached'])
    .default('adapter-off')
    .describe(
      'Where the reference’s log-probabilities come from: the same model without what is trained, at every step; or one pass before training, kept on disk, which methods that train the model’s own weights need. Default: TRL’s KTOTrainer with an adapter.',
    ),
  ...referenceAdapterOption,
});

export type KtoConfig = z.output<typeof ktoConfigSchema>;

/**
 * Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv:2402.01306, eq. 7): answers each called good or bad. With
 * c = log π(y) − log π_ref(y), a good one costs λ_D·(1 − σ(β(c − z0))), a bad one λ_U·(1 − σ(β(z0 − c))). z0 ≥ 0 is how far the
 * model is from the reference: the mean of c over the batch's prompts, each with the answer of the row before.
 */
export const kto = defineObjective({
  name: 'kto',
  apiVersion,
  summary: 'Kahneman-Tversky optimisation: answers that were each called good or bad',
  config: ktoConfigSchema,
  rows: 'ratings',
  unpackable: 'a row holds one prompt, and is computed with another row’s answer too',
  // trl/examples/scripts/kto.py, the rate of its LoRA example.
  defaults: { learningRate: 5e-7 },
  create: ({ beta, desirableWeight, undesirableWeight, ...reference }) => ({
    rowsEach: 2,
    coupled: 'z0 is a mean over the prompts of a whole batch, each with another’s answer',
    ...referenceAdapters(reference),
    ...(reference.reference === 'cached' && { prior: ratedPrior(reference) }),
    collate: collateRated,
    losses(model, columns, t) {
      // Of each two texts the first is the row's, and the second its prompt with another's answer.
      const both = pairLogProbs(model, columns, t, reference);
      const good = columns.desirable as Tensor;
      const bad = tf.sub(both.weights, good);
      const z0 = stopGradient(() => tf.relu(mismatched(both)));
      const ratios = tf.sub(both.chosen, both.referenceChosen);
      const losses = ktoLosses(ratios, z0, beta);
      const each = tf.add(
        tf.mul(tf.mul(losses.desirable, good), desirableWeight),
        tf.mul(tf.mul(losses.undesirable, bad), undesirableWeight),
      );
      const rewards = tf.mul(ratios, beta);
      const metric = (name: string, value: Tensor, of: Tensor, per: string): LossTerm => ({
        ...{ name, sum: tf.sum(tf.mul(value, of)), per, weight: 0 },
      });
      return [
        { name: 'loss', sum: tf.sum(each), per: 'pairs' },
        metric('kl', z0, both.weights, 'pairs'),
        metric('rewards/chosen', rewards, good, 'desirable'),
        metric('rewards/rejected', rewards, bad, 'undesirable'),
        metric('logps/chosen', both.chosen, good, 'desirable'),
        metric('logps/rejected', both.chosen, bad, 'undesirable'),
      ];
    },
  }),
});

/** What an answer of log-ratio c costs where it is good, and where it is bad: `[rows]` each. */
export function ktoLosses(ratios: Tensor, z0: Tensor, beta: number): { desirable: Tensor; undesirable: Tensor } {
  const above = tf.mul(tf.sub(ratios, z0), beta);
  return { desirable: tf.sigmoid(tf.neg(above)), undesirable: tf.sigmoid(above) };
}

/** The mean of c over mismatched prompts and answers: a scalar. */
function mismatched({ rejected, referenceRejected, weights }: PairLogProbs): Tensor {
  return tf.div(tf.sum(tf.mul(tf.sub(rejected, referenceRejected), weights)), tf.sum(weights));
}
