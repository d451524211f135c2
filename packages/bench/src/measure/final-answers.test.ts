import { expect, it } from 'vitest';
import { finalAnswer } from './final-answers.js';

it.each([
  ['She has 5 - 2 = 3.\n#### 3', 3],
  ['so x = 4. The answer is: 12', 12],
  ['The answer is 7 apples.', 7],
  ['The answer is 1. No: The final answer is: $1,250.', 1250],
  ['The answer is: 3/4', 0.75],
  ['The answer is: 2\nThe answer is: -0.5.', -0.5],
  ['The answer is 50%', 50],
  ['The answer is many', null],
  ['The answer is: 1/0', null],
  ['42', null],
])('of %j is %s', (text, answer) => {
  expect(finalAnswer(text)).toBe(answer);
});
