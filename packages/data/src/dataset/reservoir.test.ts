import { expect, it } from 'vitest';
import { reservoir } from './reservoir.js';

it('keeps everything while there is room, and as many as there are places', () => {
  expect([...reservoir(3, 5, 1)]).toEqual([0, 1, 2]);
  const kept = [...reservoir(100, 5, 1)];
  expect(kept.length).toBe(5);
  expect(new Set(kept).size).toBe(5);
  expect(kept.every((index) => index < 100)).toBe(true);
});

it('keeps each with the same chance', () => {
  const counts = Array.from({ length: 20 }, () => 0);
  const seeds = 4000;
  for (let seed = 0; seed < seeds; seed++)
    for (const index of reservoir(20, 5, seed)) counts[index] = (counts[index] as number) + 1;
  // A quarter of the seeds each; the standard deviation is 0.7 % of them.
  for (const count of counts) expect(Math.abs(count / seeds - 0.25)).toBeLessThan(0.03);
});

it('goes on from what it kept: what more comes replaces some and moves none', () => {
  const before = [...reservoir(50, 8, 3)];
  const after = [...reservoir(60, 8, 3)];
  for (const [place, index] of after.entries()) expect(index === before[place] || index >= 50).toBe(true);
  expect(after).not.toEqual(before);
});
