import type { Control, Json, StepEvent } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { averaged } from './dwa.js';
import { balanced } from './gradnorm.js';
import { tasksOption } from './tasks.js';

const tasks = ['a', 'b'];
const clock = { step: 0, steps: 100 };

/** The weights after each of some steps. */
function weights(control: Control, steps: readonly Pick<StepEvent, 'terms' | 'observed'>[]): number[][] {
  let memory: Json = null;
  return steps.map((step) => {
    memory = control.next?.(memory, step as StepEvent) ?? null;
    return [...(control.value(clock, memory) as number[])];
  });
}

const seen = (a: number, b: number, norms: readonly [number, number] = [1, 1]) => ({
  terms: { a, b },
  observed: { 'gradientNorm.a': norms[0], 'gradientNorm.b': norms[1] },
});

describe('dynamic weight average', () => {
  it('is K·softmax of what is left of each mean loss, from the third interval on', () => {
    const control = averaged({ tasks, temperature: 2, interval: 2 });
    const steps = [seen(3, 4), seen(5, 4), seen(2, 3), seen(2, 5), seen(1, 4)];
    const [a, b] = [Math.exp(2 / 4 / 2), Math.exp(4 / 4 / 2)];
    const last = [(2 * a) / (a + b), (2 * b) / (a + b)];
    const found = weights(control, steps);
    expect(found.slice(0, 3)).toEqual([1, 2, 3].map(() => [1, 1]));
    for (const each of found.slice(3))
      for (const task of [0, 1]) expect(each[task]).toBeCloseTo(last[task] as number, 12);
  });

  it('takes a loss of 0 for a step without rows of the task, and waits for one', () => {
    const control = averaged({ tasks, temperature: 1, interval: 2 });
    const steps = [seen(4, 0), seen(2, 6), seen(3, 0), seen(3, 0), seen(3, 3)];
    const [a, b] = [Math.exp(3 / 3), Math.exp(3 / 6)];
    expect(weights(control, steps).at(-1)?.[0]).toBeCloseTo((2 * a) / (a + b), 12);
    expect(weights(control, steps.slice(0, 4)).at(-1)).toEqual([1, 1]);
  });
});

describe('GradNorm', () => {
  const control = balanced({ tasks, alpha: 1, rate: 0.1 });

  it('draws the weight of the larger gradient down, and that of the task that lags behind up', () => {
    // Of equal progress, norms of 3 and 1 around 2: moves by rate · norm / mean.
    const [first] = weights(control, [seen(2, 2, [3, 1])]) as [number[]];
    expect(first[0]).toBeCloseTo((1 - 0.15) / ((0.85 + 1.05) / 2), 12);
    expect((first[0] as number) + (first[1] as number)).toBeCloseTo(2, 12);
    const [, second] = weights(control, [seen(2, 2), seen(1, 2)]) as [number[], number[]];
    expect(second[1]).toBeGreaterThan(second[0] as number);
  });

  it('leaves the weights where a step has no rows of a task, and none below 0', () => {
    expect(weights(control, [seen(2, 0, [1, 0])])).toEqual([[1, 1]]);
    const strong = balanced({ tasks, alpha: 1, rate: 10 });
    for (const weight of weights(strong, [seen(2, 2, [5, 1])]).flat()) expect(weight).toBeGreaterThan(0);
  });
});

it('tasks have names of their own, and none that the loss has', () => {
  for (const names of [['a'], ['a', 'a'], ['a', 'loss']]) expect(tasksOption.safeParse(names).success).toBe(false);
  expect(tasksOption.safeParse(tasks).success).toBe(true);
});
