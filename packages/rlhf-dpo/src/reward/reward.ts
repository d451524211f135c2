import { apiVersion, defineObjective, type Tensor, tf, tokenColumns } from '@tunesmith/core';
import { z } from 'zod';
import { logSigmoid } from '../pairs/log-sigmoid.js';
import { ofPairs } from '../pairs/pair-log-probs.js';
import { rewardMetrics } from '../pairs/pair-metrics.js';
import { sharedPromptOption } from '../pairs/shared-prompt-option.js';
import { unpackable } from '../pairs/unpackable.js';
import { collateJudged } from './collate-judged.js';

export const rewardConfigSchema = z.object({
  centering: z
    .number()
    .min(0)
    .default(0)
    .describe(
      'What (r_w + r_l)², which keeps rewards around 0, weighs beside; 0.01 in Eisenstein et al. 2023 (arXiv:2312.09244). Default: 0, off, as TRL’s `center_rewards_coefficient`.',
    ),
  ...sharedPromptOption,
});

export type RewardConfig = z.output<typeof rewardConfigSchema>;

/**
 * A reward model: one number for a whole text, learnt from pairs by −log σ(r_w − r_l − m) (Bradley and Terry 1952; Ouyang et al. 2022,
 * eq. 1), with the margin m of a pair whose data says it (Touvron et al. 2023, eq. 2). It is a classifier of sequences with one
 * logit, read where transformers reads it: at a decoder's last token, at an encoder's first.
 */
export const reward = defineObjective({
  name: 'reward',
  apiVersion,
  summary: 'A reward model: one number for a text, greater for answers that were chosen than for those rejected',
  config: rewardConfigSchema,
  rows: 'preferences',
  unpackable,
  // TRL's RewardConfig.
  defaults: { learningRate: 1e-4 },
  create: ({ centering, sharedPrompt: shared }) => ({
    task: 'sequence-classification',
    labels: 1,
    problemType: 'regression',
    rowsEach: shared ? 1 : 2,
    collate: (rows, options) => collateJudged('reward', rows, options, { shared }),
    losses(model, columns, t) {
      const scores = model.run(t, tokenColumns(columns)).scores(columns.last as Tensor); // [2 · pairs, 1]
      const [chosen, rejected] = ofPairs(scores);
      const weights = columns.pairWeights as Tensor;
      const each = rewardLoss({ chosen, rejected }, columns.margins as Tensor, centering);
      return [
        { name: 'loss', sum: tf.sum(tf.mul(each, weights)), per: 'pairs' },
        ...rewardMetrics({ chosen, rejected }, weights),
      ];
    },
  }),
});

/** −log σ(r_w − r_l − m) + λ·(r_w + r_l)² of each pair: `[pairs]`. */
export function rewardLoss(
  { chosen, rejected }: { readonly chosen: Tensor; readonly rejected: Tensor },
  margins: Tensor,
  centering: number,
): Tensor {
  const preference = tf.neg(logSigmoid(tf.sub(tf.sub(chosen, rejected), margins)));
  if (centering === 0) return preference;
  return tf.add(preference, tf.mul(tf.square(tf.add(chosen, rejected)), centering));
}
