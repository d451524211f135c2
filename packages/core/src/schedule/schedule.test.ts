import { expect, it } from 'vitest';
import { slantedTriangularSchedule } from './schedule.js';

/** Equation 3 of ULMFiT as it is printed. */
function printed(t: number, total: number, cutFraction: number, ratio: number): number {
  const cut = Math.floor(total * cutFraction);
  const p = t < cut ? t / cut : 1 - (t - cut) / (cut * (1 / cutFraction - 1));
  return (1 + p * (ratio - 1)) / ratio;
}

it('is the slanted triangle of ULMFiT where its cut is a whole number', () => {
  const schedule = slantedTriangularSchedule();
  for (let step = 0; step < 100; step++) expect(schedule(step, 100)).toBeCloseTo(printed(step, 100, 0.1, 32), 12);
  expect([0, 10, 55, 100].map((step) => schedule(step, 100))).toEqual([1 / 32, 1, 0.515625, 1 / 32]);
});

it('takes a warm-up in steps or none, and never goes below its lowest rate', () => {
  const steps = Array.from({ length: 25 }, (_, step) => step);
  expect(printed(24, 25, 0.1, 32)).toBeLessThan(0);
  expect(Math.min(...steps.map((step) => slantedTriangularSchedule()(step, 25)))).toBeCloseTo(1 / 32, 12);
  expect(slantedTriangularSchedule(5, 4)(5, 25)).toBe(1);
  expect(slantedTriangularSchedule(0)(0, 25)).toBe(1);
});
