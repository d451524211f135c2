import type { Json } from '@tunesmith/core';
import { deviation, mean } from './group-advantages.js';
import { klOf, type Scored } from './scored.js';

/** What is remembered of earlier rollouts. */
export interface CollapseMemory {
  /** The mean length of the first rollout's answers. */
  readonly firstLength: number | null;
  /** Signs that people have been told of. */
  readonly told: readonly string[];
}

export function readCollapseMemory(memory: Json): CollapseMemory {
  return memory === null ? { firstLength: null, told: [] } : (memory as unknown as CollapseMemory);
}

/** Fewer answers than these say nothing. */
const leastAnswers = 8;
/** Nats a token, below which one answer is nearly all that is left. */
const leastEntropy = 0.02;

/**
 * Signs that a policy collapses, each told once in a run:
 * - a KL estimate that is negative beyond chance (three standard errors): drawn from π, its mean cannot be;
 * - an entropy near zero: the answers are all alike, and there is nothing left to compare;
 * - rewards that go with length (r² over 0.8) while answers have become half as long again: the length is learnt.
 */
export function collapseWarnings(
  scored: readonly Scored[],
  { firstLength, told }: CollapseMemory,
): { readonly warnings: readonly string[]; readonly memory: Json } {
  const lengths = scored.map(({ answer }) => answer.length);
  const length = mean(lengths);
  const first = firstLength ?? length;
  const signs =
    scored.length < leastAnswers
      ? []
      : [negativeKl(scored), noEntropy(scored), longerForReward(scored, lengths, length / first)];
  const fresh = signs.filter((sign) => sign !== null && !told.includes(sign.name)) as Sign[];
  return {
    warnings: fresh.map(({ says }) => says),
    memory: { firstLength: first, told: [...told, ...fresh.map(({ name }) => name)] },
  };
}

interface Sign {
  readonly name: string;
  readonly says: string;
}

function negativeKl(scored: readonly Scored[]): Sign | null {
  if (scored.some(({ reference }) => reference === null)) return null;
  const each = scored.map(klOf);
  const [kl, error] = [mean(each), deviation(each) / Math.sqrt(each.length)];
  if (kl >= -3 * error || kl > -0.01) return null;
  return {
    name: 'negative KL',
    says:
      `the KL to the reference is estimated at ${kl.toFixed(2)} nats an answer, and cannot be negative: the answers are not drawn ` +
      'from the distribution that is learnt. A topP below 1 does that; else the model exploits what the estimate does not see',
  };
}

function noEntropy(scored: readonly Scored[]): Sign | null {
  const all = scored.flatMap(({ logProbs }) => [...logProbs]);
  const entropy = -mean(all);
  if (entropy > leastEntropy) return null;
  return {
    name: 'entropy',
    says:
      `the entropy has fallen to ${entropy.toFixed(4)} nats a token: the answers are all but the same, and nothing is left to learn from ` +
      'their differences. A smaller learning rate, a dearer KL (beta) or an earlier checkpoint may keep it up',
  };
}

function longerForReward(scored: readonly Scored[], lengths: readonly number[], growth: number): Sign | null {
  if (growth < 1.5) return null;
  const rewards = scored.map(({ reward }) => reward);
  const [r, l] = [mean(rewards), mean(lengths)];
  const product = rewards.reduce((sum, reward, index) => sum + (reward - r) * ((lengths[index] as number) - l), 0);
  const correlation = product / ((scored.length - 1) * deviation(rewards) * deviation(lengths));
  if (!(correlation > Math.sqrt(0.8))) return null;
  return {
    name: 'length',
    says:
      `answers are ${growth.toFixed(1)} times as long as at first, and their rewards go with their lengths (correlation ` +
      `${correlation.toFixed(2)}): the length may be all that is learnt. Let the reward not grow with it`,
  };
}
