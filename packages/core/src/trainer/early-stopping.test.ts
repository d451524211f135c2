import { describe, expect, it } from 'vitest';
import { nothingYet, observe, shouldStop } from './early-stopping.js';

describe('early stopping', () => {
  it('counts evaluations since the best, which must improve by the minimum', () => {
    const after = [3, 2.95, 2.5].reduce((best, value, index) => observe(best, value, index + 1, 0.1), nothingYet);
    expect(after).toEqual({ value: 2.5, step: 3, evaluationsSince: 0 });
    const tired = [2.45, 2.6].reduce((best, value, index) => observe(best, value, index + 4, 0.1), after);
    expect(tired).toEqual({ value: 2.5, step: 3, evaluationsSince: 2 });
    expect(shouldStop(tired, { patience: 2 })).toBe(true);
    expect(shouldStop(tired, { patience: 3 })).toBe(false);
    expect(shouldStop(tired, undefined)).toBe(false);
  });
  it('never takes a value that is no number for the best', () => {
    expect(observe(nothingYet, Number.NaN, 1)).toEqual({ value: null, step: null, evaluationsSince: 1 });
  });
});
