import { describe, expect, it } from 'vitest';
import { advise } from '../advise/advise.js';
import { knownFailure, knownResults } from '../fixtures/known-results.js';
import type { Board } from '../report/board.js';
import { createReport } from '../report/report.js';
import { bootstrapDifference, shareBest } from './bootstrap.js';
import { compareResults } from './compare-results.js';

const map = (values: readonly number[]) => new Map(values.map((value, index) => [index, value]));

describe('the interval of a difference', () => {
  it('is over the seeds’ differences where both sides have the same seeds', () => {
    // Seeds differ by much, the sides by 0.1 in each of them.
    const difference = bootstrapDifference(map([1, 5, 9]), map([1.1, 5.1, 9.1]));
    expect(difference?.paired).toBe(true);
    for (const end of [difference?.low, difference?.high, difference?.mean]) expect(end).toBeCloseTo(0.1, 9);
    const apart = bootstrapDifference(map([1, 5, 9]), map([1.1, 5.1, 9.1, 5.1]));
    expect(apart?.paired).toBe(false);
    expect(apart?.low).toBeLessThan(-2);
    expect(apart?.high).toBeGreaterThan(2);
    expect(bootstrapDifference(map([1]), map([1, 2]))).toBeNull();
  });

  it('is the interval that is known of two values: all of them', () => {
    // Resampling two differences gives means of 0, 1/2 and 1, with 1/4, 1/2 and 1/4.
    expect(bootstrapDifference(map([0, 0]), map([0, 1]))).toEqual({ low: 0, high: 1, mean: 0.5, paired: true });
    expect(shareBest([0, 1], [[0.5, 0.5]])).toBeCloseTo(0.75, 1);
    expect(shareBest([0, 1], [[0.6, 0.6]])).toBeCloseTo(0.25, 1);
  });
});

describe('two sets of results', () => {
  const before = [
    ...knownResults('steady', { accuracies: [0.8, 0.82, 0.78] }),
    ...knownResults('slowed', { accuracies: [0.8, 0.82, 0.78] }),
    ...knownResults('worse', { accuracies: [0.8, 0.82, 0.78] }),
    ...knownResults('gone', { accuracies: [0.8, 0.82] }),
  ];
  const after = [
    ...knownResults('steady', { accuracies: [0.81, 0.8, 0.79], secondsPerStep: 2.01 }),
    ...knownResults('slowed', { accuracies: [0.8, 0.82, 0.78], secondsPerStep: 3 }),
    ...knownResults('worse', { accuracies: [0.6, 0.63, 0.6] }),
    knownFailure('gone', 'no'),
  ];
  const { changes, onlyBefore } = compareResults(before, after, 0.02);

  it('differ where more than noise says so', () => {
    const told = changes.filter(({ verdict }) => verdict !== 'same');
    expect(told.map(({ cell, measure, verdict }) => [cell.method, measure, verdict])).toEqual([
      ['slowed', 'secondsPerStep', 'worse'],
      ['worse', 'quality', 'worse'],
    ]);
    expect(onlyBefore).toEqual(['tiny/mine/gone/short']);
  });

  it('say nothing of times that were not measured alone', () => {
    const shared = knownResults('steady', { accuracies: [0.8, 0.82, 0.78] }, { alone: false });
    const measuresOf = compareResults(before, shared, 0.02).changes.map(({ measure }) => measure);
    expect(measuresOf).not.toContain('secondsPerStep');
    expect(measuresOf).toContain('peakBytes');
  });
});

describe('advice', () => {
  const { boards } = createReport({
    results: [
      ...knownResults('hungry', { accuracies: [0.95, 0.96, 0.94], peakBytes: 9e8 }),
      ...knownResults('good', { accuracies: [0.9, 0.91, 0.89] }),
      ...knownResults('as good', { accuracies: [0.9, 0.89, 0.9] }),
      ...knownResults('constant', { accuracies: [0.5, 0.5, 0.5], peakBytes: 1e8 }),
      knownFailure('broken', 'no'),
    ],
  });
  const [board] = boards as [Board];

  it('is the best within the limits, and says how sure it is', () => {
    const free = advise(board, {});
    expect(free.best?.cell.method).toBe('hungry');
    expect(free.confidence).toBe(1);
    expect(free.leftOut.map(({ row }) => row.cell.method)).toEqual(['broken']);
    const small = advise(board, { memoryBytes: 5e8 });
    expect(small.best?.cell.method).toBe('good');
    expect(small.confidence).toBeGreaterThan(0.5);
    expect(small.confidence).toBeLessThan(0.95);
    expect(small.leftOut.map(({ row, reason }) => [row.cell.method, reason])).toContainEqual([
      'hungry',
      'it takes more memory',
    ]);
    expect(advise(board, { seconds: 1 }).best).toBeNull();
  });
});
