import { describe, expect, it } from 'vitest';
import { budgetAt, budgetControls, checkSchedule } from './budget.js';

const ranks = { initRank: 12, targetRank: 8, deltaT: 1 };

it('falls as a cube between the first steps and the last', () => {
  const schedule = { ...ranks, tinit: 10, tfinal: 20 };
  const budgets = [1, 10, 11, 12, 20, 30, 45, 60, 80, 81, 100].map((step) => budgetAt(step, 100, 4, schedule));
  expect(budgets).toEqual([48, 48, 47, 46, 42, 37, 34, 32, 32, 32, 32]);
});

describe('schedules', () => {
  const check = ([steps, tinit, tfinal]: readonly [number, number, number]) => {
    return () => checkSchedule(steps, { ...ranks, tinit, tfinal });
  };

  /** PEFT's cases (tests/test_config.py): steps, tinit, tfinal. */
  it.each([
    [100, 0, 0],
    [100, 10, 10],
    [100, 79, 20],
    [100, 80, 19],
  ] as const)('takes %i steps, %i and %i', (...schedule) => {
    expect(check(schedule)).not.toThrow();
  });

  it.each([
    [100, 20, 80],
    [100, 80, 20],
    [10, 20, 0],
    [10, 0, 10],
    [10, 10, 0],
    [10, 20, 20],
    [10, 0, 20],
  ] as const)('refuses %i steps, %i and %i', (...schedule) => {
    expect(check(schedule)).toThrow('no step is left');
  });

  it('refuse ranks that nothing is taken from', () => {
    expect(() => checkSchedule(100, { ...ranks, tinit: 0, tfinal: 0, targetRank: 12 })).toThrow('no rank to take away');
  });
});

it('allocates every deltaT steps, once more when the budget is final, and holds from then on', () => {
  const controls = budgetControls(4, { ...ranks, deltaT: 3, tinit: 2, tfinal: 4 });
  const steps = 12;
  const during = (name: string): number[] =>
    Array.from({ length: steps }, (_, step) => step + 1).filter((step) =>
      controls[name]?.value({ step: step - 1, steps }, null),
    );
  expect(during('follow')).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(during('allocate')).toEqual([3, 6, 8]);
  expect(during('hold')).toEqual([9, 10, 11, 12]);
});
