import { defineObjective, type Judge, type Objective, type RowValues, type Tensor, tf } from '@tunesmith/core';
import { z } from 'zod';
import { clippedPolicyLoss, isClipped, klLoss } from '../policy/clipped-losses.js';
import { groupAdvantages } from '../policy/group-advantages.js';
import { clipOptions, policyOptions } from '../policy/options.js';
import { policyObjective } from '../policy/policy-objective.js';
import { type OwnReward, policyParts } from '../policy/policy-parts.js';
import { judgeOf, type RewardFunction, rewardOf, rewardOptions } from '../policy/reward-function.js';
import { byPrompt, type Scored } from '../policy/scored.js';
import { tokenWeights } from '../policy/token-weights.js';

const options = z.object({
  answers: z.int().min(2).default(8).describe('Answers to each prompt. Default: TRL’s `num_generations`, 8.'),
  ...policyOptions,
  epochs: z
    .int()
    .positive()
    .default(1)
    .describe('How often the answers are gone through before new ones are given. Default: TRL’s `num_iterations`, 1.'),
  beta: z
    .number()
    .min(0)
    .default(0)
    .describe(
      'How dear it is to leave the reference: what the KL (k3) weighs. 0 needs no reference, and all else methods that leave the model’s own weights. Default: TRL’s GRPOConfig, 0.',
    ),
  unbiasedKl: z
    .boolean()
    .default(true)
    .describe(
      'The KL weighed by the ratio to the model that answered, so that its gradient is that of the reverse KL (DeepSeek-V3.2, arXiv:2512.02556); else as in the paper of GRPO. Default: TRL’s `use_bias_correction_kl`, on.',
    ),
  ...clipOptions,
  loss: z
    .enum(['dapo', 'grpo', 'bnpo', 'dr_grpo'])
    .default('dapo')
    .describe(
      'The mean over tokens: over the rollout’s, over each answer’s and then answers, over a step’s, or a sum over `maxNewTokens`. Default: TRL’s `loss_type`, dapo.',
    ),
  scale: z
    .enum(['group', 'batch', 'none'])
    .default('group')
    .describe(
      'The deviation that advantages are divided by: of a prompt’s rewards, of all, or none. Default: TRL’s `scale_rewards`, group.',
    ),
});

export const grpoConfigSchema = options.extend(rewardOptions);

export type GrpoConfig = z.output<typeof grpoConfigSchema>;

const parts = {
  ...policyParts,
  // TRL's GRPOConfig.
  defaults: { learningRate: 1e-6 },
} as const;

/**
 * Group relative policy optimisation (Shao et al. 2024, arXiv:2402.03300): several answers to each prompt, each learnt by how much its
 * reward is above the others', with PPO's clipped ratios and no value model.
 */
export const grpo = defineObjective({
  ...parts,
  name: 'grpo',
  summary: 'Group relative policy optimisation: answers of its own, by how much better they are than each other',
  config: grpoConfigSchema,
  create: (config) => create(config, rewardOf('grpo', config), judgeOf(config)),
});

/** GRPO with a reward of one's own, as an objective that a plugin exports and recipes name. */
export function grpoWith({ name, summary = 'GRPO with a reward of its own', reward }: OwnReward) {
  return defineObjective({
    ...parts,
    ...{ name, summary, config: options },
    create: (config) => create(config, reward),
  });
}

function create(config: z.output<typeof options>, reward: RewardFunction, judge?: Judge): Omit<Objective, 'name'> {
  const range = { low: config.clipLow, high: config.clipHigh };
  const { beta, loss: kind, maxNewTokens, unbiasedKl } = config;
  const needsReference = beta > 0;
  const { per } = tokenWeights(kind, [1], maxNewTokens);
  return policyObjective({
    ...{ options: config, answersEach: config.answers, epochs: config.epochs, reward, judge, needsReference },
    perToken: ['weights', ...(needsReference ? ['reference'] : [])],
    perAnswer: ['advantage'],
    learn(scored) {
      const advantages = groupAdvantages(
        byPrompt(scored).map((group) => group.map((each) => each.reward)),
        config.scale,
      ).flat();
      const lengths = scored.map(({ answer }) => answer.length);
      const { weights } = tokenWeights(kind, lengths, maxNewTokens);
      const values = scored.map(
        ({ reference }: Scored, index): RowValues => ({
          perToken: {
            weights: new Float32Array(lengths[index] as number).fill(weights[index] as number),
            ...(reference && { reference }),
          },
          perAnswer: { advantage: advantages[index] as number },
        }),
      );
      return { values, memory: null };
    },
    losses({ logProbs, logRatios, mask }, _, columns) {
      const advantages = tf.mul(tf.expandDims(columns.advantage as Tensor, 1), mask); // [rows, tokens]
      const clipped = clippedPolicyLoss(advantages, logRatios, range);
      const k3 = needsReference ? klLoss(logProbs, columns.reference as Tensor) : null;
      const kl = k3 && unbiasedKl ? tf.mul(k3, tf.exp(logRatios)) : k3;
      const each = kl === null ? clipped : tf.add(clipped, tf.mul(kl, beta));
      const weighted = tf.mul(tf.mul(each, mask), columns.weights as Tensor);
      const clips = tf.sum(tf.mul(isClipped(advantages, logRatios, range), mask));
      return [
        { name: 'loss', sum: tf.sum(weighted), per },
        { name: 'clipped', sum: clips, per: 'tokens', weight: 0 },
      ];
    },
  });
}
