import { type LossTerm, type Tensor, tf } from '@tunesmith/core';
import type { AnswerLogProbs } from './pair-log-probs.js';

/** Rewards of both answers, `[pairs]` each. */
interface PairRewards {
  readonly chosen: Tensor;
  readonly rejected: Tensor;
}

/** A mean over the pairs that is reported, and not learnt from. */
function metric(name: string, each: Tensor, weights: Tensor): LossTerm {
  return { name, sum: tf.sum(tf.mul(each, weights)), per: 'pairs', weight: 0 };
}

/** What is logged of rewards, by TRL's names: their means over the pairs, their margin, and how often the chosen one's is greater. */
export function rewardMetrics({ chosen, rejected }: PairRewards, weights: Tensor): LossTerm[] {
  return [
    metric('rewards/chosen', chosen, weights),
    metric('rewards/rejected', rejected, weights),
    metric('rewards/margins', tf.sub(chosen, rejected), weights),
    metric('rewards/accuracies', tf.cast(tf.greater(chosen, rejected), 'float32'), weights),
  ];
}

/** The same, and the means of the answers' log-probabilities. */
export function pairMetrics({ chosen, rejected, weights }: AnswerLogProbs, rewards: PairRewards): LossTerm[] {
  return [
    ...rewardMetrics(rewards, weights),
    metric('logps/chosen', chosen, weights),
    metric('logps/rejected', rejected, weights),
  ];
}
