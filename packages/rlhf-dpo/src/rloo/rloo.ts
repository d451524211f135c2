import { defineObjective, type Judge, type Objective, type RowValues, type Tensor, tf } from '@tunesmith/core';
import { z } from 'zod';
import { clippedPolicyLoss, isClipped } from '../policy/clipped-losses.js';
import { leaveOneOut, normaliseAdvantages } from '../policy/group-advantages.js';
import { clipOptions, policyOptions } from '../policy/options.js';
import { mean, policyObjective } from '../policy/policy-objective.js';
import { type OwnReward, policyParts } from '../policy/policy-parts.js';
import { judgeOf, type RewardFunction, rewardOf, rewardOptions } from '../policy/reward-function.js';
import { byPrompt, klOf } from '../policy/scored.js';

const options = z.object({
  answers: z.int().min(2).default(2).describe('Answers to each prompt. Default: TRL’s `num_generations`, 2.'),
  ...policyOptions,
  epochs: z
    .int()
    .positive()
    .default(1)
    .describe('How often the answers are gone through before new ones are given. Default: TRL’s `num_iterations`, 1.'),
  beta: z
    .number()
    .min(0)
    .default(0.05)
    .describe(
      'How dear it is to leave the reference: what the KL of an answer (k1) takes off its reward. 0 needs no reference. Default: TRL’s RLOOConfig, 0.05.',
    ),
  ...clipOptions,
  normalise: z
    .boolean()
    .default(false)
    .describe(
      'Advantages less their mean over the rollout, by their deviation. Default: TRL’s `normalize_advantages`, off.',
    ),
});

export const rlooConfigSchema = options.extend(rewardOptions);

export type RlooConfig = z.output<typeof rlooConfigSchema>;

const parts = {
  ...policyParts,
  // TRL's RLOOConfig.
  defaults: { learningRate: 1e-6 },
} as const;

/**
 * REINFORCE leave-one-out (Ahmadian et al. 2024, arXiv:2402.14740): an answer as a whole is one action, learnt by its reward less the KL,
 * above the mean of the prompt's other answers; with clipped ratios of whole answers, as TRL's RLOOTrainer.
 */
export const rloo = defineObjective({
  ...parts,
  name: 'rloo',
  summary: 'REINFORCE leave-one-out: answers of its own, each against the mean of the others',
  config: rlooConfigSchema,
  create: (config) => create(config, rewardOf('rloo', config), judgeOf(config)),
});

/** RLOO with a reward of one's own, as an objective that a plugin exports and recipes name. */
export function rlooWith({ name, summary = 'RLOO with a reward of its own', reward }: OwnReward) {
  return defineObjective({
    ...parts,
    ...{ name, summary, config: options },
    create: (config) => create(config, reward),
  });
}

function create(config: z.output<typeof options>, reward: RewardFunction, judge?: Judge): Omit<Objective, 'name'> {
  const range = { low: config.clipLow, high: config.clipHigh };
  const { beta } = config;
  return policyObjective({
    ...{ options: config, answersEach: config.answers, epochs: config.epochs, reward, judge, needsReference: beta > 0 },
    perToken: [],
    perAnswer: ['advantage'],
    learn(scored) {
      const rewards = byPrompt(scored).map((group) => group.map((each) => each.reward - beta * klOf(each)));
      const alone = leaveOneOut(rewards);
      const advantages = (config.normalise ? normaliseAdvantages(alone) : alone).flat();
      const values = advantages.map((advantage): RowValues => ({ perToken: {}, perAnswer: { advantage } }));
      return { values, memory: null };
    },
    losses({ logRatios }, _, columns) {
      const whole = tf.sum(logRatios, 1); // [rows]
      const advantages = columns.advantage as Tensor;
      return [
        mean('loss', clippedPolicyLoss(advantages, whole, range)),
        mean('clipped', isClipped(advantages, whole, range), 0),
      ];
    },
  });
}
