import { expect, it } from 'vitest';
import { forgettingOf } from './forgetting.js';

it('sums up a matrix of losses as the papers sum up one of accuracies', () => {
  const losses = [
    [5, 6, 7],
    [1, 5, 6.5],
    [2, 1.5, 6],
    [3, 1, 0.5],
  ];
  expect(forgettingOf(losses)).toEqual({
    // 3 − min(1, 2), and 1 − 1.5, which is no forgetting.
    forgetting: [2, 0],
    averageForgetting: 1,
    // Of accuracies R = −loss: ((−3 − −1) + (−1 − −1.5)) / 2.
    backwardTransfer: -0.75,
    // ((−5 − −6) + (−6 − −7)) / 2: task 2 before it is learnt is row 1, task 3 row 2.
    forwardTransfer: 1,
    averageLoss: 1.5,
  });
});

it('finds nothing forgotten of a single task', () => {
  expect(forgettingOf([[4], [1]])).toMatchObject({ forgetting: [], averageForgetting: 0, backwardTransfer: 0 });
});
