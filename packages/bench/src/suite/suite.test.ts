import { describe, expect, it } from 'vitest';
import { cellsOf, cellsOfShard, parseShard } from './cells.js';
import { learningRatesOf } from './learning-rates.js';
import { parseSuite } from './read-suite.js';
import type { Suite } from './suite-schema.js';
import { trialRecipe } from './trial-recipe.js';

const value = {
  name: 'small',
  models: { tiny: { path: 'model', ownText: '/own.txt' } },
  tasks: [
    'exercises',
    { name: 'mine', licence: 'CC0', train: 'a', validation: 'b', test: 'c', metric: { name: 'loss', ceiling: 0 } },
  ],
  methods: { one: {}, other: { method: 'two', two: { size: 3 }, learningRates: [0.3, 0.1, 0.2] } },
  budgets: { short: { steps: 10, maxLength: 32 }, long: { steps: 20 } },
  trainer: { weightDecay: 0.1 },
};
const parse = (changes: object = {}): Suite =>
  parseSuite({ value: { ...value, ...changes }, where: 's.yaml' }, '/here');

describe('a suite', () => {
  it('has paths relative to its file', () => {
    const { models, tasks } = parse();
    expect(models.tiny).toEqual({ path: '/here/model', ownText: '/own.txt' });
    expect(tasks[1]).toMatchObject({ train: '/here/a', validation: '/here/b', test: '/here/c' });
  });

  it('tells every problem at once', () => {
    expect(() => parse({ budgets: { short: { stps: 1 } }, seeds: [] })).toThrow(
      /CONFIG_INVALID at s.yaml[\s\S]*budgets.short.steps[\s\S]*budgets.short.stps: unknown key[\s\S]*seeds/,
    );
    expect(() => parse({ seeds: [0, 1] })).toThrow('the learning rate would be chosen by a seed that is reported');
    expect(() => parse({ controls: ['one', 'third'] })).toThrow('each of `controls` is one of `methods`');
  });

  it('is a product, of which shards are parts', () => {
    const cells = cellsOf(
      parse(),
      ['exercises', 'mine'].map((name) => ({ name, methods: ['one', 'other'] })),
    );
    expect(cells).toHaveLength(8);
    const parts = [1, 2, 3].map((index) => cellsOfShard(cells, { index, count: 3 }));
    expect(parts.flat()).toHaveLength(8);
    expect(new Set(parts.flat())).toEqual(new Set(cells));
    expect(parseShard('2/3')).toEqual({ index: 2, count: 3 });
    for (const wrong of ['0/3', '4/3', '2', 'a/b']) expect(() => parseShard(wrong)).toThrow('--shard');
  });
});

describe('learning rates', () => {
  it('are as many for each method: its own default and others around it, or those listed', () => {
    expect(learningRatesOf(parse(), 'one', 2e-4)).toEqual([6.67e-5, 2e-4, 6e-4]);
    expect(learningRatesOf(parse(), 'other', 2e-4)).toEqual([0.1, 0.2, 0.3]);
    expect(learningRatesOf(parse({ tuning: { trials: 4, factor: 10 }, methods: { one: {} } }), 'one', 1)).toEqual([
      0.1, 1, 10, 100,
    ]);
    expect(() => learningRatesOf(parse({ tuning: { trials: 2 } }), 'other', 1)).toThrow(
      'at methods.other.learningRates: every method gets the same number of trials; expected 2 (tuning.trials), got 3',
    );
  });
});

it('makes the recipe of an ordinary run of a cell', () => {
  const task = { ...(parse().tasks[1] as object), objective: { name: 'sft' }, data: { format: 'text' } } as never;
  const cell = { model: 'tiny', task: 'mine', method: 'other', budget: 'short' };
  const { value: recipe } = trialRecipe(parse(), cell, task, { seed: 7, learningRate: 0.5 });
  expect(recipe).toMatchObject({
    model: { path: '/here/model' },
    method: 'two',
    two: { size: 3 },
    data: { format: 'text', train: '/here/a', validation: '/here/b', maxLength: 32 },
    trainer: { steps: 10, evaluateEvery: 3, seed: 7, learningRate: 0.5, weightDecay: 0.1, checkpointEvery: 10 },
  });
  expect(recipe).not.toHaveProperty('learningRates');
  expect(recipe.model).not.toHaveProperty('ownText');
});
