import {
  defineObjective,
  type Json,
  type Judge,
  type LossTerm,
  type Objective,
  type RowValues,
  type Tensor,
  tf,
} from '@tunesmith/core';
import { z } from 'zod';
import { clippedPolicyLoss, clippedValueLoss, isClipped } from '../policy/clipped-losses.js';
import { mean } from '../policy/group-advantages.js';
import { adaptKlCoefficient, klEstimate } from '../policy/kl.js';
import { policyOptions } from '../policy/options.js';
import { policyObjective } from '../policy/policy-objective.js';
import { type OwnReward, policyParts } from '../policy/policy-parts.js';
import { judgeOf, type RewardFunction, rewardOf, rewardOptions } from '../policy/reward-function.js';
import { klOf, type Scored } from '../policy/scored.js';
import { estimateAdvantages, whiten } from '../policy/token-advantages.js';
import { tokenRewards } from '../policy/token-rewards.js';
import { valueHead, valuesOf } from './value-head.js';

const options = z.object({
  ...policyOptions,
  prompts: policyOptions.prompts.default(32),
  maxNewTokens: policyOptions.maxNewTokens
    .default(53)
    .describe('Most tokens of an answer. Default: TRL’s `response_length`, 53.'),
  temperature: policyOptions.temperature
    .default(0.7)
    .describe('Of the answers, and of the log-probabilities that are learnt. Default: TRL’s PPOConfig, 0.7.'),
  epochs: z
    .int()
    .positive()
    .default(4)
    .describe('How often the answers are gone through before new ones are given. Default: TRL’s `num_ppo_epochs`, 4.'),
  klCoefficient: z
    .number()
    .min(0)
    .default(0.05)
    .describe(
      'How dear it is to leave the reference: what a token’s KL takes off its reward. Default: TRL’s `kl_coef`, 0.05.',
    ),
  klEstimator: z
    .enum(['k1', 'k3'])
    .default('k1')
    .describe('How a token’s KL is estimated: log π/π_ref, or Schulman’s k3, never negative. Default: TRL’s, k1.'),
  klTarget: z
    .number()
    .positive()
    .optional()
    .describe(
      'The KL of an answer, in nats, that the coefficient is steered to (Ziegler et al. 2019, §2.2: 6). The coefficient stays if not said, as in TRL.',
    ),
  klHorizon: z
    .number()
    .positive()
    .default(10_000)
    .describe('Answers over which the coefficient may change by a fifth. Default: Ziegler et al. 2019, 10,000.'),
  discount: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe('γ: what a reward one token later is worth. Default: TRL’s, 1.'),
  lambda: z.number().min(0).max(1).default(0.95).describe('λ of advantage estimation. Default: TRL’s `lam`, 0.95.'),
  clip: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.2)
    .describe(
      'How far a token’s probability may move, as a ratio, before it stops counting. Default: TRL’s `cliprange`, 0.2.',
    ),
  clipValue: z
    .number()
    .positive()
    .default(0.2)
    .describe('How far a value may move before it stops counting. Default: TRL’s `cliprange_value`, 0.2.'),
  valueWeight: z
    .number()
    .positive()
    .default(0.1)
    .describe('What the values’ loss weighs beside the policy’s. Default: TRL’s `vf_coef`, 0.1.'),
  whitenRewards: z
    .boolean()
    .default(false)
    .describe('Rewards of tokens divided by their deviation over the rollout. Default: TRL’s `whiten_rewards`, off.'),
  mostKl: z
    .number()
    .positive()
    .optional()
    .describe(
      'The KL of a token, in nats, from the model that answered, above which a rollout is given up before its epochs are over. Off if not said, as in TRL; OpenAI’s Spinning Up stops at 0.015.',
    ),
});

export const ppoConfigSchema = options.extend(rewardOptions);

export type PpoConfig = z.output<typeof ppoConfigSchema>;

type Options = z.output<typeof options>;

const parts = {
  ...policyParts,
  // TRL's PPOConfig.
  defaults: { learningRate: 3e-6 },
} as const;

/**
 * Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) of answers, as in Ziegler et al. 2019 and TRL's PPOTrainer: each token
 * is an action, rewarded by −β·KL and at the end by the answer's reward; its advantage is estimated by values, which a head on
 * the policy's own hidden states gives.
 */
export const ppo = defineObjective({
  ...parts,
  name: 'ppo',
  summary: 'Proximal policy optimisation: answers of its own, token by token, by values that it learns beside',
  config: ppoConfigSchema,
  create: (config) => create(config, rewardOf('ppo', config), judgeOf(config)),
});

/** PPO with a reward of one's own, as an objective that a plugin exports and recipes name. */
export function ppoWith({ name, summary = 'PPO with a reward of its own', reward }: OwnReward) {
  return defineObjective({
    ...parts,
    ...{ name, summary, config: options },
    create: (config) => create(config, reward),
  });
}

function create(config: Options, reward: RewardFunction, judge?: Judge): Omit<Objective, 'name'> {
  const range = { low: config.clip, high: config.clip };
  const { clipValue, valueWeight, mostKl } = config;
  return policyObjective({
    ...{ options: config, answersEach: 1, epochs: config.epochs, reward, judge, needsReference: true, mostKl },
    methods: [valueHead()],
    values: (model, run, { answerPositions, answerMask }, t) =>
      valuesOf(model, run, answerPositions as Tensor, answerMask as Tensor, t),
    perToken: ['advantages', 'returns', 'values'],
    perAnswer: [],
    learn: (scored, memory) => learn(scored, memory, config),
    losses({ run, logRatios, mask }, model, columns, t) {
      const { advantages, returns, values: old, answerPositions } = columns as Record<string, Tensor>;
      const values = valuesOf(model, run, answerPositions as Tensor, mask, t);
      const perToken = (name: string, each: Tensor, weight?: number): LossTerm => ({
        ...{ name, sum: tf.sum(tf.mul(each, mask)), per: 'tokens' },
        ...(weight === undefined ? {} : { weight }),
      });
      return [
        perToken('policy_loss', clippedPolicyLoss(advantages as Tensor, logRatios, range)),
        perToken('value_loss', clippedValueLoss(values, old as Tensor, returns as Tensor, clipValue), valueWeight),
        perToken('clipped', isClipped(advantages as Tensor, logRatios, range), 0),
      ];
    },
  });
}

/** The coefficient of the KL, which is what one rollout tells the next. */
function coefficientOf(memory: Json, { klCoefficient }: Options): number {
  return memory === null ? klCoefficient : (memory as { coefficient: number }).coefficient;
}

/** Advantages and returns of each token: rewards, less the KL, by the values that the model gave as it answered. */
function learn(
  scored: readonly Scored[],
  memory: Json,
  config: Options,
): { readonly values: readonly RowValues[]; readonly memory: Json } {
  const { klEstimator, klTarget: target, klHorizon: horizon, discount, lambda } = config;
  const coefficient = coefficientOf(memory, config);
  const plain = scored.map(({ reward, logProbs, reference }) => {
    const kl = Array.from(logProbs, (logProb, at) =>
      klEstimate(klEstimator, logProb, (reference as Float32Array)[at] as number),
    );
    return tokenRewards(reward, kl, coefficient);
  });
  const rewards = config.whitenRewards ? whiten(plain, { keepMean: true }) : plain;
  const estimated = scored.map(({ answer }, index) =>
    estimateAdvantages(rewards[index] as number[], [...(answer.measured.values as Float32Array)], { discount, lambda }),
  );
  const advantages = whiten(estimated.map((each) => each.advantages));
  const values = scored.map(
    ({ answer }, index): RowValues => ({
      perToken: {
        advantages: Float32Array.from(advantages[index] as number[]),
        returns: Float32Array.from(estimated[index]?.returns as number[]),
        values: answer.measured.values as Float32Array,
      },
      perAnswer: {},
    }),
  );
  const kl = mean(scored.map(klOf));
  const next =
    target === undefined ? coefficient : adaptKlCoefficient(coefficient, kl, scored.length, { target, horizon });
  return { values, memory: { coefficient: next } };
}
