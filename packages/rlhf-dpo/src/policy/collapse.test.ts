import type { Answer, Json } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { collapseWarnings, readCollapseMemory } from './collapse.js';
import type { Scored } from './scored.js';

/** Answers of so many tokens, each of the same log-probability, with their rewards. */
function answers(lengths: readonly number[], logProb = -1, reference = -1.1, rewards = lengths.map(() => 1)): Scored[] {
  return lengths.map((length, index) => ({
    answer: { length } as Answer,
    reward: rewards[index] as number,
    logProbs: new Float32Array(length).fill(logProb),
    reference: new Float32Array(length).fill(reference),
  }));
}

const told = (scored: readonly Scored[], memory: Json = null) => collapseWarnings(scored, readCollapseMemory(memory));
const eight = [4, 5, 6, 4, 5, 6, 4, 5];

describe('a collapse', () => {
  it('is not seen where there is none, nor in few answers', () => {
    expect(told(answers(eight)).warnings).toEqual([]);
    expect(told(answers([4, 5], -0.001, 0)).warnings).toEqual([]);
  });

  it('shows in a KL that cannot be, and is told once', () => {
    const { warnings, memory } = told(answers(eight, -1, -0.5));
    expect(warnings).toEqual([
      expect.stringMatching(/estimated at -2\.44 nats an answer, and cannot be negative.*topP/),
    ]);
    expect(told(answers(eight, -1, -0.5), memory).warnings).toEqual([]);
    const unsure = eight.map((length, index) => answers([length], -1, index % 2 === 0 ? -0.2 : -1.7)[0] as Scored);
    expect(told(unsure).warnings).toEqual([]);
  });

  it('shows in answers that are all the same', () => {
    expect(told(answers(eight, -0.001, -1)).warnings).toEqual([
      expect.stringMatching(/fallen to 0\.0010 nats a token/),
    ]);
  });

  it('shows in answers that grow for their reward', () => {
    const { memory } = told(answers(eight));
    const long = eight.map((length) => 2 * length);
    const { warnings } = told(
      answers(
        long,
        -1,
        -1.1,
        long.map((length) => length / 10),
      ),
      memory,
    );
    expect(warnings).toEqual([expect.stringMatching(/2\.0 times as long as at first.*correlation 1\.00/)]);
    // Long, but not for the reward.
    expect(told(answers(long, -1, -1.1, [1, 3, 2, 2, 1, 1, 3, 2]), memory).warnings).toEqual([]);
  });
});
