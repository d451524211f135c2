import type { Handle } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { thawingGroups, unfreezingStages } from './unfreezing-plan.js';

const weight = (path: string, depth: number | null, ...shape: number[]): Handle => ({
  ...{ key: path, path, owner: 'base', kind: 'parameter', shape, decay: false, depth, tags: [] },
});
const blocks = [0, 1, 2, 3].map((depth) => weight(`h.${depth}`, depth, 2, 2));
const tied = [weight('embed', null, 4, 2), ...blocks, weight('norm', null, 2)];
const untied = [...tied, weight('head', null, 4, 2)];

describe('the groups', () => {
  it.each([
    ['a head of its own', untied, 1, 'all', [4, 3, 2, 1, 0, -1]],
    ['a tied head', tied, 1, 'all', [3, 2, 1, 0, -1]],
    ['two layers at once', untied, 2, 'all', [4, 2, 0, -1]],
    ['three at once, which do not divide four', untied, 3, 'all', [4, 1, 0, -1]],
    ['some layers only', untied, 2, 3, [4, 2, 1]],
  ] as const)('with %s', (_, weights, layersAtOnce, layers, expected) => {
    expect(thawingGroups(weights, { layersAtOnce, layers }).map(({ lowest }) => lowest)).toEqual(expected);
  });

  it('are named by what begins to train', () => {
    const names = (weights: readonly Handle[]) =>
      thawingGroups(weights, { layersAtOnce: 2, layers: 'all' }).map(({ name }) => name);
    expect(names(untied)).toEqual(['top', 'layer 2', 'layer 0', 'embeddings']);
    expect(names(tied)).toEqual(['layer 2', 'layer 0', 'embeddings']);
  });

  it('are no more than the model has', () => {
    expect(() => thawingGroups(tied, { layersAtOnce: 1, layers: 5 })).toThrow('at most 4');
  });
});

describe('the stages', () => {
  const groups = ['top', 'layer 1', 'layer 0', 'embeddings'].map((name, index) => ({ name, lowest: 2 - index }));
  const lengths = (
    run: { steps: number; stepsPerEpoch: number | null },
    options: Parameters<typeof unfreezingStages>[2],
  ) => unfreezingStages(groups, run, options).map(({ name, length }) => [name, length]);

  it('last as many epochs or steps as said, the last one to the end', () => {
    const expected = [
      ['top', 10],
      ['layer 1', 10],
      ['layer 0', 10],
      ['embeddings', 5],
    ];
    expect(lengths({ steps: 35, stepsPerEpoch: 10 }, { every: 1, unit: 'epoch' })).toEqual(expected);
    expect(lengths({ steps: 35, stepsPerEpoch: 20 }, { every: 0.5, unit: 'epoch' })).toEqual(expected);
    expect(lengths({ steps: 35, stepsPerEpoch: null }, { every: 10, unit: 'step' })).toEqual(expected);
  });

  it('divide the run evenly, some together where there are too few steps', () => {
    const even = { every: 'even', unit: 'epoch' } as const;
    expect(lengths({ steps: 10, stepsPerEpoch: null }, even).map(([, length]) => length)).toEqual([2, 3, 2, 3]);
    expect(lengths({ steps: 2, stepsPerEpoch: null }, even)).toEqual([
      ['layer 1', 1],
      ['embeddings', 1],
    ]);
  });

  it('refuse a run that ends before the last one, and epochs that cannot be counted', () => {
    const run = { steps: 30, stepsPerEpoch: 10 };
    expect(() => lengths(run, { every: 1, unit: 'epoch' })).toThrow(/more than 30 steps for 4 groups.*got 30 steps/s);
    expect(() => lengths({ ...run, stepsPerEpoch: null }, { every: 1, unit: 'epoch' })).toThrow('Thaw by steps');
  });
});
