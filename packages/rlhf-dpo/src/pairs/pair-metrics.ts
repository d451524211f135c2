import { type LossTerm, type Tensor, tf } from '@tunesmith/core';
import type { AnswerLogProbs } from './pair-log-probs.js';

/** What TRL logs of pairs, by its names: means over the pairs of rewards, and of the answers' log-probabilities. */
export function pairMetrics(
  { chosen, rejected, weights }: AnswerLogProbs,
  rewards: { readonly chosen: Tensor; readonly rejected: Tensor },
): LossTerm[] {
  const metric = (name: string, each: Tensor): LossTerm => ({
    name,
    sum: tf.sum(tf.mul(each, weights)),
    per: 'pairs',
    weight: 0,
  });
  return [
    metric('rewards/chosen', rewards.chosen),
    metric('rewards/rejected', rewards.rejected),
    metric('rewards/margins', tf.sub(rewards.chosen, rewards.rejected)),
    metric('rewards/accuracies', tf.cast(tf.greater(rewards.chosen, rewards.rejected), 'float32')),
    metric('logps/chosen', chosen),
    metric('logps/rejected', rejected),
  ];
}
