/** Classifiers of texts and of words, task after task: one head for the labels of all, which the model has none of before the first. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SequenceResult } from '@tunesmith/runtime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyEncoder } from './fixtures/tiny-model.js';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-classifier-sequence-'));
  await writeTinyEncoder(join(home, 'model'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const places = ['mat', 'log', 'film', 'plot', 'moment'];
const lines = (row: (index: number) => object): string =>
  Array.from({ length: 40 }, (_, index) => `${JSON.stringify(row(index))}\n`).join('');

/** Which of two animals sits. */
const text = (pair: readonly string[]) =>
  lines((index) => ({ text: `the ${pair[index % 2]} sat on the ${places[(3 * index) % 5]}`, label: pair[index % 2] }));
/** Where the animal, or the place, is. */
const tags = (ofAnimal: string, ofPlace: string) =>
  lines((index) => ({
    tokens: ['the', index % 2 === 0 ? 'cat' : 'dog', 'sat', 'on', 'the', places[(3 * index) % 5]],
    ner_tags: ['O', ofAnimal, 'O', 'O', 'O', ofPlace],
  }));

it.each([
  ['classification', text(['cat', 'dog']), text(['mat', 'log']), ['cat', 'dog', 'log', 'mat']],
  ['token-classification', tags('B-ANIMAL', 'O'), tags('O', 'B-PLACE'), ['B-ANIMAL', 'B-PLACE', 'O']],
])(
  '%s is learnt task after task, with one head for the labels of all',
  async (name, first, second, labels) => {
    await writeFile(join(home, 'first.jsonl'), first);
    await writeFile(join(home, 'second.jsonl'), second);
    const recipe = {
      ...{ model: { path: 'model' }, objective: { name }, method: 'full' },
      trainer: { steps: 30, learningRate: 0.005, seed: 1, evaluateEvery: 100 },
      tasks: ['first', 'second'].map((task) => ({ name: task, train: `${task}.jsonl`, validation: `${task}.jsonl` })),
      measure: { data: ['first.jsonl', 'second.jsonl'], metric: 'accuracy' },
    };
    await writeFile(join(home, `${name}.json`), JSON.stringify(recipe));
    const found = (await runJson(home, 'sequence', `${name}.json`, '--output', name)) as unknown as SequenceResult;
    const [before, after, last] = found.losses as [unknown[], number[], number[]];
    expect(before).toEqual([null, null]);
    expect(after[0]).toBeLessThan(after[1] as number);
    expect(last[1]).toBeLessThan(after[1] as number);
    expect(found.averageForgetting).toBeGreaterThanOrEqual(0);
    const { objective } = parse(readFileSync(join(home, name, '1-first/recipe.yaml'), 'utf8'));
    expect(objective.labels.toSorted()).toEqual(labels);
    expect(found.comparison?.tasks.map(({ metrics, quality }) => metrics.accuracy === quality)).toEqual([true, true]);

    // What is kept says the same, the missing losses too.
    const { code, stdout } = await runCli(home, 'sequence', `${name}.json`, '--output', name);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nbefore +– +–\nafter first +\d/);
  },
  120_000,
);
