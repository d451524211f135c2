import { createRandom } from '@tunesmith/core';
import { expect, it } from 'vitest';
import { trainKneserNey } from './kneser-ney.js';

const vocabulary = 12;
const random = createRandom(1, 'kneser-ney');
/** Each token is mostly the one before it and a step of 1 or 2. */
const texts = Array.from({ length: 20 }, () => {
  const text = [0];
  for (let index = 1; index < 80; index++) {
    const wild = random.below(10) === 0;
    text.push(wild ? random.below(vocabulary) : ((text.at(-1) as number) + random.between(1, 2)) % vocabulary);
  }
  return text;
});
const model = trainKneserNey(texts.slice(0, 16), 5, vocabulary);
const probability = (before: readonly number[], token: number): number =>
  2 ** -(model.bits([...before, token]) - model.bits(before));

it.each([[[0]], [[0, 1, 2, 4]], [[11, 3, 11, 3, 7, 7]], [[5, 5, 5, 5, 5]]])('is a distribution after %j', (before) => {
  const total = Array.from({ length: vocabulary }, (_, token) => probability(before, token));
  expect(total.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 10);
  expect(Math.min(...total)).toBeGreaterThan(0);
});

it('predicts texts that it has not seen almost as well as they can be', () => {
  const held = texts.slice(16);
  const bits = held.reduce((sum, text) => sum + model.bits(text), 0) / (held.length * 79);
  // 0.9 · 1 bit for the step, 0.47 for whether it is wild, 0.1 · log₂ 12: 1.7 bits; knowing nothing costs log₂ 12 = 3.6.
  expect(bits).toBeGreaterThan(1.5);
  expect(bits).toBeLessThan(2.2);
});

it('counts what comes before a token, not how often it comes', () => {
  // 9 is frequent but only after 8; 5 is rarer and comes after everything. After an unknown token, 5 is the better guess.
  const text = [1, 5, 2, 5, 3, 5, 4, 5, 6, 5, 8, 9, 8, 9, 8, 9, 8, 9, 8, 9, 8, 9, 8, 9, 8, 9];
  const small = trainKneserNey([text], 2, vocabulary);
  expect(small.bits([11, 5])).toBeLessThan(small.bits([11, 9]));
});
