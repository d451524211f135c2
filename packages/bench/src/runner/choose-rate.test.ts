import { expect, it } from 'vitest';
import { failure, measurement, success } from '../fixtures/outcomes.js';
import { chooseRate } from './choose-rate.js';

const accuracy = { name: 'accuracy', higherIsBetter: true, chance: 0.5, ceiling: 1 };

it('chooses by the validation split: the metric, and the loss among equals', () => {
  const quality = measurement(0.8).quality;
  const equal = success(0.8, { quality: { ...quality, validation: { ...quality.validation, loss: 0.1 } } });
  const trials = [
    { learningRate: 1, outcome: success(0.6) },
    { learningRate: 2, outcome: success(0.8) },
    { learningRate: 3, outcome: equal },
    { learningRate: 4, outcome: failure() },
  ];
  expect(chooseRate(trials, accuracy)).toBe(3);
  expect(chooseRate(trials, { ...accuracy, higherIsBetter: false })).toBe(1);
  expect(chooseRate(trials, { ...accuracy, name: 'loss', higherIsBetter: false })).toBe(3);
});

it('chooses none where all failed, or measured nothing of the kind', () => {
  expect(chooseRate([{ learningRate: 1, outcome: failure() }], accuracy)).toBeNull();
  expect(chooseRate([{ learningRate: 1, outcome: success(0.5) }], { ...accuracy, name: 'f1' })).toBeNull();
});
