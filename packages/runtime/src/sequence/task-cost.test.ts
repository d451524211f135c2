import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { neededBy, runCost, totalCosts } from './task-cost.js';

const none = { generate: null, teacher: null, rewardModel: null };

it('needs all that a task was made from, and what that was', () => {
  const tasks = [none, none, { ...none, generate: { by: 1 } as never }, { ...none, teacher: 2, rewardModel: 1 }];
  const starts = [undefined, 0, undefined, undefined];
  const needs = tasks.map((_, index) => neededBy(tasks, (task) => starts[task], index));
  expect(needs).toEqual([[], [0], [0, 1], [0, 1, 2]]);
});

it('costs what its own run took, and what it needs, at the price of the device', () => {
  const own = [
    { task: 'teacher', trainSeconds: 1800, generateSeconds: 0, peakBytes: 9, trainedParameters: 3, totalTokens: 5 },
    { task: 'student', trainSeconds: 900, generateSeconds: 900, peakBytes: 4, trainedParameters: 2, totalTokens: 6 },
  ];
  const prices = { cpu: { perHour: 2, source: '' } };
  expect(totalCosts(own, [[], [0]], { prices }, 'cpu')).toMatchObject([
    { totalSeconds: 1800, money: 1, needs: [] },
    { totalSeconds: 3600, money: 2, needs: ['teacher'], peakBytes: 4, trainSeconds: 900 },
  ]);
  expect(totalCosts(own, [[], []], { prices }, 'cuda')[0]?.money).toBeNull();
});

it('counts the time of a run’s steps, whatever was resumed in between', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'task-cost-'));
  const step = (index: number, elapsedSeconds: number, seconds: number) => ({
    ...{ type: 'step', step: index, tokens: 100, tokensPerSecond: 100 / seconds, totalTokens: 100 * index },
    ...{ elapsedSeconds, peakBytes: 10 * index },
  });
  const lines = [
    { type: 'metrics', version: 1 },
    { type: 'start', step: 0, steps: 3, trainedParameters: 7, totalParameters: 9, peakBytes: 1 },
    step(1, 2, 2),
    step(2, 10, 3),
    { type: 'start', step: 2, steps: 3, trainedParameters: 7, totalParameters: 9, peakBytes: 1 },
    step(3, 1, 1),
  ];
  await writeFile(join(folder, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const { trainSeconds, ...rest } = runCost(folder);
  expect(trainSeconds).toBeCloseTo(6, 9);
  expect(rest).toEqual({ peakBytes: 30, trainedParameters: 7, totalTokens: 300 });
  await rm(folder, { recursive: true });
});
