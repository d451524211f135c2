import type { Json, RowValues } from '@tunesmith/core';
import { mean } from '../policy/group-advantages.js';
import { adaptKlCoefficient, klEstimate } from '../policy/kl.js';
import { klOf, type Scored } from '../policy/scored.js';
import { estimateAdvantages, whiten } from '../policy/token-advantages.js';
import { tokenRewards } from '../policy/token-rewards.js';
import type { PpoOptions } from './config.js';

/** An answer as an episode: rewards and values of its tokens, and of the state after its end where that has the score. */
interface Episode {
  readonly length: number;
  readonly goesOn: boolean;
  readonly rewards: readonly number[];
  readonly values: readonly number[];
}

/** Advantages and returns of each token: rewards, less the KL, by the values that the model gave as it answered. */
export function learnRollout(
  scored: readonly Scored[],
  memory: Json,
  config: PpoOptions,
): { readonly values: readonly RowValues[]; readonly memory: Json } {
  const { klTarget: target, klHorizon: horizon, discount, lambda } = config;
  const coefficient = coefficientOf(memory, config);
  const episodes = episodesOf(scored, coefficient, config);
  const plain = episodes.map(({ rewards }) => rewards);
  const rewards = config.whitenRewards ? whiten(plain, { keepMean: true }) : plain;
  const estimated = episodes.map(({ values }, index) =>
    estimateAdvantages(rewards[index] as number[], values, { discount, lambda }),
  );
  // What comes after an end is no choice of the policy's.
  const advantages = whiten(
    estimated.map(({ advantages: each }, index) => each.slice(0, (episodes[index] as Episode).length)),
  );
  const values = episodes.map((episode, index): RowValues => {
    const returns = estimated[index]?.returns as number[];
    return {
      perToken: {
        advantages: Float32Array.from(advantages[index] as number[]),
        returns: Float32Array.from(returns.slice(0, episode.length)),
        values: Float32Array.from(episode.values.slice(0, episode.length)),
        ...(config.scoreAfterEnd && afterEnd(episode, returns)),
      },
      perAnswer: { states: episode.rewards.length },
    };
  });
  const kl = mean(scored.map(klOf));
  const next =
    target === undefined ? coefficient : adaptKlCoefficient(coefficient, kl, scored.length, { target, horizon });
  return { values, memory: { coefficient: next } };
}

/** The coefficient of the KL, which is what one rollout tells the next. */
function coefficientOf(memory: Json, { klCoefficient }: PpoOptions): number {
  return memory === null ? klCoefficient : (memory as { coefficient: number }).coefficient;
}

/**
 * With `scoreAfterEnd`, answers that ended before the rollout's longest go on for a state, which has no KL: TRL's PPOTrainer gives the
 * score to what follows the end, where that is within the rollout (`sequence_lengths_p1`).
 */
function episodesOf(
  scored: readonly Scored[],
  coefficient: number,
  { klEstimator, scoreAfterEnd }: PpoOptions,
): Episode[] {
  const longest = Math.max(...scored.map(({ answer }) => answer.length));
  return scored.map(({ answer, reward, logProbs, reference }) => {
    const { length, ended, measured } = answer;
    const kl = Array.from(logProbs, (logProb, at) =>
      klEstimate(klEstimator, logProb, (reference as Float32Array)[at] as number),
    );
    const values = [...(measured.values as Float32Array)];
    const goesOn = scoreAfterEnd && ended && length < longest;
    if (goesOn) {
      kl.push(0);
      values.push((measured.valuesAfter as Float32Array)[length - 1] as number);
    }
    return { length, goesOn, rewards: tokenRewards(reward, kl, coefficient), values };
  });
}

/** What the state after the end is learnt by, in the place of the last token: 0 elsewhere. */
function afterEnd({ length, goesOn, values }: Episode, returns: readonly number[]): RowValues['perToken'] {
  const atEnd = (value: number | undefined): Float32Array => {
    const each = new Float32Array(length);
    if (goesOn) each[length - 1] = value as number;
    return each;
  };
  return { ends: atEnd(1), returnsAfter: atEnd(returns[length]), valuesAfter: atEnd(values[length]) };
}
