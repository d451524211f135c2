import { defineObjective, type Judge, type LossTerm, type Objective, type Tensor, tf } from '@tunesmith/core';
import { clippedPolicyLoss, clippedValueLoss, isClipped } from '../policy/clipped-losses.js';
import { policyObjective } from '../policy/policy-objective.js';
import { type OwnReward, policyParts } from '../policy/policy-parts.js';
import { judgeOf, type RewardFunction, rewardOf } from '../policy/reward-function.js';
import { type PpoOptions, ppoConfigSchema, ppoOptions } from './config.js';
import { learnRollout } from './learn-rollout.js';
import { valueHead, valuesAfter, valuesBefore } from './value-head.js';

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
    ...{ name, summary, config: ppoOptions },
    create: (config) => create(config, reward),
  });
}

function create(config: PpoOptions, reward: RewardFunction, judge?: Judge): Omit<Objective, 'name'> {
  const range = { low: config.clip, high: config.clip };
  const { clipValue, valueWeight, scoreAfterEnd, mostKl } = config;
  return policyObjective({
    ...{ options: config, answersEach: 1, epochs: config.epochs, reward, judge, needsReference: true, mostKl },
    methods: [valueHead()],
    measured: ['values', ...(scoreAfterEnd ? ['valuesAfter'] : [])],
    measure: (model, run, columns, t) => ({
      values: valuesBefore(model, run, columns, t),
      ...(scoreAfterEnd && { valuesAfter: valuesAfter(model, run, columns, t) }),
    }),
    perToken: ['advantages', 'returns', 'values', ...(scoreAfterEnd ? ['ends', 'returnsAfter', 'valuesAfter'] : [])],
    perAnswer: [],
    summed: ['states'],
    learn: (scored, memory) => learnRollout(scored, memory, config),
    losses({ run, logRatios, mask }, model, columns, t) {
      const advantages = columns.advantages as Tensor;
      const perToken = (name: string, each: Tensor, weight?: number): LossTerm => ({
        ...{ name, sum: tf.sum(tf.mul(each, mask)), per: 'tokens' },
        ...(weight === undefined ? {} : { weight }),
      });
      const ofValues = (values: Tensor, old: Tensor, returns: Tensor, weights: Tensor): Tensor =>
        tf.sum(tf.mul(clippedValueLoss(values, old, returns, clipValue), weights));
      const { values: old, returns, ends, valuesAfter: oldAfter, returnsAfter } = columns as Record<string, Tensor>;
      const before = ofValues(valuesBefore(model, run, columns, t), old as Tensor, returns as Tensor, mask);
      const sum = scoreAfterEnd
        ? tf.add(
            before,
            ofValues(valuesAfter(model, run, columns, t), oldAfter as Tensor, returnsAfter as Tensor, ends as Tensor),
          )
        : before;
      return [
        perToken('policy_loss', clippedPolicyLoss(advantages, logRatios, range)),
        { name: 'value_loss', sum, per: 'states', weight: valueWeight },
        perToken('clipped', isClipped(advantages, logRatios, range), 0),
      ];
    },
  });
}
