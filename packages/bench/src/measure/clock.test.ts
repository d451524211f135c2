import type { TrainerEvent } from '@tunesmith/core';
import { expect, it } from 'vitest';
import { createClock } from './clock.js';

const step = (number: number, loss: number, totalTokens: number): TrainerEvent => ({
  ...{ type: 'step', step: number, loss, totalTokens, rows: 2, tokens: 10, terms: {}, observed: {} },
  ...{ learningRate: 1, gradientNorm: 1, tokensPerSecond: 1, elapsedSeconds: 1 },
});
const evaluation = (at: number, loss: number): TrainerEvent => ({
  ...{ type: 'evaluate', step: at, loss, perplexity: null, metrics: { accuracy: 0.5 }, samples: [], best: false },
});

it('tells the time of training from that of evaluations and checkpoints', async () => {
  let now = 0;
  const clock = createClock(() => now);
  const after = async (seconds: number, event: TrainerEvent): Promise<void> => {
    now += seconds;
    await clock.write(event);
  };
  await after(5, evaluation(0, 3));
  await after(1, { type: 'start', step: 0, steps: 3, trainedParameters: 7, totalParameters: 70 });
  await after(8, step(1, 4, 10));
  await after(2, step(2, 2, 20));
  await after(20, evaluation(2, 1));
  await after(30, { type: 'checkpoint', step: 2, best: true });
  await after(1, step(3, 1, 30));
  await after(40, evaluation(3, 0.5));
  const { residentBytes, ...times } = clock.times();
  expect(residentBytes?.mean).toBeGreaterThan(1e6);
  expect(times).toEqual({
    ...{ trainSeconds: 11, evaluationSeconds: 65, secondsPerStep: 2, steps: 3, tokens: 30, rows: 6 },
    ...{ trainedParameters: 7, totalParameters: 70 },
    curve: [
      { step: 0, trainLoss: null, validationLoss: 3, metrics: { accuracy: 0.5 } },
      { step: 2, trainLoss: 3, validationLoss: 1, metrics: { accuracy: 0.5 } },
      { step: 3, trainLoss: 1, validationLoss: 0.5, metrics: { accuracy: 0.5 } },
    ],
  });
});
