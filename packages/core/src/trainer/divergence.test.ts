import { describe, expect, it } from 'vitest';
import { type DivergenceMemory, nothingSeen, policyDivergenceLimit, watchDivergence } from './divergence.js';

const limit = { factor: 2, patience: 3 };

function watch(losses: number[], lastCheckpoint: number | null = 10): DivergenceMemory {
  return losses.reduce<DivergenceMemory>(
    (memory, loss, index) => watchDivergence(memory, { step: index + 1, loss, gradientNorm: 1 }, limit, lastCheckpoint),
    nothingSeen,
  );
}

describe('watchDivergence', () => {
  it('forgives a spike and remembers the first loss', () => {
    expect(watch([4, 9, 9, 4, 9, 9])).toEqual({ firstLoss: 4, stepsAbove: 2, stepsWithoutGradient: 0 });
  });
  it('stops when the loss stays high, naming the step and the last good checkpoint', () => {
    expect(() => watch([4, 9, 9, 9])).toThrow(/DIVERGED at step 4: .*2 × its first value for 3 steps.*step 10/s);
  });
  it('leaves a policy’s loss alone, which begins near 0', () => {
    const rising = (step: number): DivergenceMemory =>
      [1e-9, ...Array.from({ length: step }, () => 0.5)].reduce<DivergenceMemory>(
        (memory, loss) => watchDivergence(memory, { step, loss, gradientNorm: 1 }, policyDivergenceLimit, null),
        nothingSeen,
      );
    expect(rising(9).stepsAbove).toBe(0);
  });
  it('stops at once at a loss or a norm that is no number', () => {
    expect(() => watch([4, Number.NaN], null)).toThrow(/DIVERGED at step 2: the loss is not a number.*No checkpoint/s);
    const step = { step: 7, loss: 1, gradientNorm: Number.POSITIVE_INFINITY };
    expect(() => watchDivergence(nothingSeen, step, limit, null)).toThrow(/step 7: the gradient norm/);
  });
  it('stops when nothing has a gradient any more', () => {
    const flat = (steps: number): DivergenceMemory =>
      Array.from({ length: steps }, (_, step) => ({ step, loss: 5, gradientNorm: 0 })).reduce<DivergenceMemory>(
        (memory, step) => watchDivergence(memory, step, limit, null),
        nothingSeen,
      );
    expect(flat(2).stepsWithoutGradient).toBe(2);
    expect(() => flat(3)).toThrow('the gradient has been zero for 3 steps');
  });
});
