import type { Row } from '@tunesmith/core';
import { loadTokenizer } from '@tunesmith/data';
import { expect, it } from 'vitest';
import { modelPath } from '../src/index.js';
import { recipe, schedule } from './recipe.js';
import { documentTokens, trainingRows } from './rows.js';

const tokenizer = await loadTokenizer(modelPath());
const documents = Array.from({ length: 12 }, (_, index) => ({
  name: `document-${index}`,
  text: `Number ${index}: ${'the state of the union is what it was. '.repeat(40 + index)}`,
}));

async function read(position: number, count: number): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const { row } of trainingRows(tokenizer, documents).read(position)) {
    if (rows.push(row) === count) break;
  }
  return rows;
}

const isSynthetic = ({ weights }: Row): boolean => weights.some((weight) => weight > 0 && weight < 1);

it('goes on from any position with the same rows, across the stages', async () => {
  const second = recipe.stages[1].firstStep * recipe.rowsPerStep;
  const rows = await read(second - 12, 24);
  expect(await read(second, 12)).toEqual(rows.slice(12));
  const synthetic = rows.flatMap((row, index) => (isSynthetic(row) ? [index] : []));
  expect(synthetic).toEqual([5, 11, 15, 19, 23]);
  expect(rows.every(({ tokens }) => tokens.length === recipe.rowLength)).toBe(true);
});

it('reads every window of the documents once an epoch, and no conversation twice', async () => {
  const tokens = documents.flatMap((document) => documentTokens(tokenizer, document));
  const perEpoch = Math.floor(tokens.length / recipe.rowLength);
  const rows = await read(0, 60);
  const texts = rows.filter((row) => !isSynthetic(row)).map((row) => tokenizer.decode(row.tokens));
  const [first, second] = [texts.slice(0, perEpoch), texts.slice(perEpoch, 2 * perEpoch)];
  expect(new Set(first).size === perEpoch).toBe(true);
  expect(first.join() === second.join()).toBe(false);
  expect(first.sort().join() === second.sort().join()).toBe(true);
  const spoken = rows.filter(isSynthetic).map((row) => tokenizer.decode(row.tokens));
  expect(new Set(spoken).size).toBe(10);
});

it('goes on in its epoch where a stage begins', async () => {
  const tokens = documents.flatMap((document) => documentTokens(tokenizer, document));
  const perEpoch = Math.floor(tokens.length / recipe.rowLength);
  const { firstStep } = recipe.stages[1];
  const first = firstStep * recipe.rowsPerStep;
  const readBefore = first - first / recipe.stages[0].rowsPerSynthetic;
  const rows = (await read(first, 3 * perEpoch)).filter((row) => !isSynthetic(row));
  const nextEpoch = perEpoch - (readBefore % perEpoch);
  const texts = rows.slice(nextEpoch, nextEpoch + perEpoch).map((row) => tokenizer.decode(row.tokens));
  expect(texts).toHaveLength(perEpoch);
  expect(new Set(texts).size).toBe(perEpoch);
});

it('warms up, stays, and falls to nearly nothing, wherever the end is', () => {
  expect(schedule(0, 9000)).toBeCloseTo(1 / recipe.warmupSteps);
  expect(schedule(recipe.warmupSteps, 9000)).toBe(1);
  expect(schedule(9000 - recipe.decaySteps - 1, 9000)).toBe(1);
  expect(schedule(9000 - recipe.decaySteps / 2, 9000)).toBeCloseTo(0.5);
  expect(schedule(8999, 9000)).toBeCloseTo(1 / recipe.decaySteps);
});
