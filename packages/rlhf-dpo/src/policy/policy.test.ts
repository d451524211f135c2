/** What policies learn from, held to values that were derived from the papers' formulas, and to those of TRL and torchtune. */
import { describe, expect, it } from 'vitest';
import { deviation, groupAdvantages, leaveOneOut, normaliseAdvantages } from './group-advantages.js';
import { adaptKlCoefficient, klEstimate } from './kl.js';
import { estimateAdvantages, whiten } from './token-advantages.js';
import { endedScore, tokenRewards } from './token-rewards.js';
import { tokenWeights } from './token-weights.js';

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [index, value] of actual.entries()) expect(value).toBeCloseTo(expected[index] as number, 6);
}

describe('KL', () => {
  it.each([
    ['k1', -0.2],
    ['k2', 0.02],
    ['k3', 0.021403],
  ] as const)('%s', (kind, expected) => {
    expect(klEstimate(kind, -1.2, -1)).toBeCloseTo(expected, 6);
    expect(klEstimate(kind, -1, -1)).toBe(0);
  });

  it('steers its coefficient by a fifth at most over a horizon', () => {
    const adaptive = { target: 6, horizon: 100 };
    expect(adaptKlCoefficient(0.2, 6.6, 50, adaptive)).toBeCloseTo(0.2 * (1 + 0.1 * 0.5), 12);
    expect(adaptKlCoefficient(0.2, 600, 50, adaptive)).toBeCloseTo(0.2 * (1 + 0.2 * 0.5), 12);
    expect(adaptKlCoefficient(0.2, 0, 50, adaptive)).toBeCloseTo(0.2 * (1 - 0.2 * 0.5), 12);
  });
});

describe('rewards of tokens', () => {
  it('are the KL, and the score at the last: those of torchtune', () => {
    const of = (score: number, kl: number) => tokenRewards(score, [kl, kl, kl], 0.5);
    expectClose(of(1, -0.1), [0.05, 0.05, 1.05]);
    expectClose(of(2, -0.2), [0.1, 0.1, 2.1]);
    expectClose(of(3, -0.3), [0.15, 0.15, 3.15]);
  });

  it('lose by an answer that does not end', () => {
    expect([endedScore(2, true, 1.5), endedScore(2, false, 1.5)]).toEqual([2, 0.5]);
  });
});

describe('advantages of tokens', () => {
  it.each([
    [0.9, [0, 0, 0, 1], [0, 0, 0, 1], [0.6579225, 0.7695, 0.9, 0], [0.6579225, 0.7695, 0.9, 1]],
    [1, [-0.01, -0.02, -0.01, 1], [0.5, 0.4, 0.3, 0.2], [0.362625, 0.4975, 0.65, 0.8], [0.862625, 0.8975, 0.95, 1]],
  ])('with a discount of %d', (discount, rewards, values, advantages, returns) => {
    const found = estimateAdvantages(rewards, values, { discount, lambda: 0.95 });
    expectClose(found.advantages, advantages);
    expectClose(found.returns, returns);
  });

  it('are whitened over all tokens of all answers, none of them padding', () => {
    // Mean 2.5 and unbiased variance 5/3.
    const scale = 1 / Math.sqrt(5 / 3 + 1e-8);
    expectClose(whiten([[1, 2], [3], [4]]).flat(), [-1.5 * scale, -0.5 * scale, 0.5 * scale, 1.5 * scale]);
    expectClose(whiten([[1, 4]], { keepMean: true }).flat(), [2.5 - 1.5 / Math.sqrt(4.5), 2.5 + 1.5 / Math.sqrt(4.5)]);
    expect(whiten([[1, 1]])).toEqual([[0, 0]]);
  });
});

describe('advantages within a group', () => {
  const rewards = [
    [1, 2, 3],
    [5, 5, 5],
  ];

  it('are by how much a reward is above the others, in deviations', () => {
    const own = 1 / (1 + 1e-4);
    const whole = 1 / (deviation([1, 2, 3, 5, 5, 5]) + 1e-4);
    expectClose(groupAdvantages(rewards, 'group').flat(), [-own, 0, own, 0, 0, 0]);
    expectClose(groupAdvantages(rewards, 'batch').flat(), [-whole, 0, whole, 0, 0, 0]);
    expectClose(groupAdvantages(rewards, 'none').flat(), [-1, 0, 1, 0, 0, 0]);
    expect(deviation([3, 5])).toBeCloseTo(Math.SQRT2, 7);
  });

  it('or above the mean of the others alone', () => {
    expectClose(leaveOneOut(rewards).flat(), [1 - 2.5, 0, 3 - 1.5, 0, 0, 0]);
    expect(leaveOneOut([[7]])).toEqual([[0]]);
    const scale = 1 / (Math.sqrt(4.5 / 5) + 1e-4);
    expectClose(normaliseAdvantages(leaveOneOut(rewards)).flat(), [-1.5 * scale, 0, 1.5 * scale, 0, 0, 0]);
  });
});

describe('losses of tokens', () => {
  /** One number of losses of 1 for the tokens of answers, of which a step has the first two. */
  const total = (kind: Parameters<typeof tokenWeights>[0]): number => {
    const lengths = [2, 4, 6];
    const { weights, per } = tokenWeights(kind, lengths, 8);
    const step = [0, 1];
    const sum = step.reduce((all, answer) => all + (weights[answer] as number) * (lengths[answer] as number), 0);
    return sum / (per === 'answers' ? 2 : 6);
  };

  it('become one as GRPO’s variants have it', () => {
    expect(total('grpo')).toBeCloseTo(1, 12);
    expect(total('bnpo')).toBeCloseTo(1, 12);
    expect(total('dr_grpo')).toBeCloseTo(6 / (2 * 8), 12);
    // The rollout's 12 tokens, of which a step of two answers in three has 8.
    expect(total('dapo')).toBeCloseTo(6 / 8, 12);
  });
});
