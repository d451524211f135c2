import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { failure, success } from '../fixtures/outcomes.js';
import { openResultStore, type ResultStore } from '../store/result-store.js';
import { parseSuite } from '../suite/read-suite.js';
import type { TaskDefinition } from '../task/task.js';
import type { TrialRequest } from '../trial/trial-request.js';
import type { TrialOutcome } from '../trial/trial-result.js';
import { type RunSuiteOptions, runSuite } from './run-suite.js';

/** A plugin of two methods that do nothing, so that no engine is needed. */
const plugin = `
  import { defineMethod } from '@tunesmith/core';
  import { z } from 'zod';
  const named = (name) => defineMethod({
    name, apiVersion: 1, summary: 'Does nothing.', capabilities: {},
    config: z.strictObject({ size: z.int().default(1) }), defaults: { learningRate: 0.1 }, create: () => ({}),
  });
  export const methods = [named('one'), named('two')];
`;

let home: string;
let store: ResultStore;
beforeAll(async () => {
  home = await mkdtemp(join(import.meta.dirname, '..', 'fixtures', 'run-'));
  await mkdir(join(home, 'model'));
  await writeFile(join(home, 'model', 'config.json'), '{}');
  await writeFile(join(home, 'plugin.ts'), plugin);
  await writeFile(join(home, 'entry.mjs'), 'export {};');
  for (const split of ['train', 'validation', 'test']) await writeFile(join(home, `${split}.jsonl`), '{}');
});
afterAll(() => rm(home, { recursive: true }));
beforeEach(async () => {
  store = await openResultStore(await mkdtemp(join(home, 'results-')));
});

const ran: TrialRequest[] = [];
beforeEach(() => {
  ran.length = 0;
});

const value = {
  name: 'small',
  models: { tiny: { path: 'model' } },
  tasks: [
    {
      ...{ name: 'mine', licence: 'CC0', train: 'train.jsonl', validation: 'validation.jsonl', test: 'test.jsonl' },
      objective: { name: 'classification', labels: ['a', 'b'] },
      metric: { name: 'accuracy', ceiling: 1 },
    },
  ],
  methods: { one: {}, other: { method: 'two' } },
  budgets: { short: { steps: 100 } },
  seeds: [1, 2],
};

/** Runs the suite; a trial comes to what `outcome` says, which by default likes a learning rate of 0.3. */
async function run(
  options: Partial<RunSuiteOptions> & { readonly changes?: object } = {},
  outcome: (request: TrialRequest) => TrialOutcome = ({ learningRate }) => success(1 - Math.abs(learningRate - 0.3)),
) {
  const { changes = {}, ...rest } = options;
  const source = { value: { ...value, ...changes, plugins: [join(home, 'plugin.ts')] }, where: 's' };
  const result = await runSuite({
    suite: parseSuite(source, home),
    ...{ tasks: [], entry: join(home, 'entry.mjs'), roots: [home], cacheFolder: join(home, 'cache') },
    ...{ workFolder: join(home, 'work'), store },
    run: async ({ request }) => {
      ran.push(request);
      return outcome(request);
    },
    ...rest,
  });
  return result;
}

const told = (): string[] =>
  ran.map(({ cell, kind, seed, learningRate }) => `${cell.method} ${kind} ${seed} ${learningRate}`);

it('tries as many learning rates for each method, and runs its seeds with the best', async () => {
  expect(await run()).toEqual({ done: 10, reused: 0, failed: 0, total: 10, givenUp: 0 });
  const of = (method: string) => [
    ...[0.0333, 0.1, 0.3].map((rate) => `${method} tuning 0 ${rate}`),
    ...[1, 2].map((seed) => `${method} seed ${seed} 0.3`),
  ];
  expect(told()).toEqual([...of('one'), ...of('other')]);
  expect(ran.every(({ alone }) => alone)).toBe(true);
  expect(ran[3]?.recipe.trainer).toMatchObject({ seed: 1, learningRate: 0.3, steps: 100 });
});

it('goes on where it was ended, and repeats nothing', async () => {
  let left = 4;
  const dies = (request: TrialRequest): TrialOutcome => {
    if (left-- === 0) throw new Error('killed');
    return success(request.learningRate);
  };
  await expect(run({}, dies)).rejects.toThrow('killed');
  ran.length = 0;
  expect(await run({}, ({ learningRate }) => success(learningRate))).toMatchObject({ done: 10, reused: 4 });
  expect(ran).toHaveLength(6);
  ran.length = 0;
  expect(await run()).toMatchObject({ done: 10, reused: 10 });
  expect(ran).toEqual([]);
});

it('runs again what has changed: a method’s config, the data, the code', async () => {
  await run();
  ran.length = 0;
  await run({ changes: { methods: { ...value.methods, one: { one: { size: 2 } } } } });
  expect(new Set(told().map((trial) => trial.split(' ')[0]))).toEqual(new Set(['one']));

  ran.length = 0;
  await writeFile(join(home, 'entry.mjs'), 'export const changed = 1;');
  await run();
  expect(ran).toHaveLength(10);

  ran.length = 0;
  await cp(join(home, 'test.jsonl'), join(home, 'kept.jsonl'));
  await writeFile(join(home, 'test.jsonl'), '{ }');
  await run();
  expect(ran).toHaveLength(10);
  ran.length = 0;
  await cp(join(home, 'kept.jsonl'), join(home, 'test.jsonl'));
  await run();
  expect(ran).toEqual([]);
});

it('makes a row of a failure, and runs no seeds where every learning rate failed', async () => {
  const outcome = ({ cell, kind, learningRate }: TrialRequest): TrialOutcome =>
    cell.method === 'one' || (kind === 'tuning' && learningRate === 0.3) ? failure() : success(learningRate);
  expect(await run({}, outcome)).toEqual({ done: 8, reused: 0, failed: 4, total: 10, givenUp: 2 });
  expect(told().filter((trial) => trial.startsWith('other seed'))).toEqual(['other seed 1 0.1', 'other seed 2 0.1']);
  expect(store.select("status = 'failed'")).toHaveLength(4);
  ran.length = 0;
  await run({ retryFailed: true }, outcome);
  expect(told()).toEqual([...[0.0333, 0.1, 0.3].map((rate) => `one tuning 0 ${rate}`), 'other tuning 0 0.3']);
});

it('starts nothing when the time is over', async () => {
  expect(await run({ until: new Date(0) })).toEqual({ done: 0, reused: 0, failed: 0, total: 10, givenUp: 0 });
  expect(ran).toEqual([]);
});

it('starts nothing that is still waiting when the time is over', async () => {
  const until = new Date(8.64e15);
  const result = await run({ until }, ({ learningRate }) => {
    until.setTime(0);
    return success(learningRate);
  });
  expect(ran).toHaveLength(1);
  expect(result).toMatchObject({ done: 1, total: 10 });
});

it('times each cell alone where others run side by side, over few steps', async () => {
  let running = 0;
  let most = 0;
  const result = await run({
    concurrency: 2,
    run: async ({ request }) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (request.alone) expect(running).toBe(1);
      running--;
      ran.push(request);
      return success(request.learningRate);
    },
  });
  expect(result).toMatchObject({ done: 12, total: 12 });
  expect(most).toBeGreaterThan(1);
  const alone = ran.filter(({ alone }) => alone);
  expect(alone.map(({ kind, recipe }) => [kind, recipe.trainer.steps])).toEqual([
    ['timing', 40],
    ['timing', 40],
  ]);
});

it('runs controls beside the tasks of the bench, and on request nothing else, a seed each', async () => {
  const tasks: TaskDefinition[] = [
    {
      ...{ name: 'made', licence: 'CC0', objective: { name: 'classification', labels: ['a', 'b'] } },
      metric: { name: 'accuracy', ceiling: 1 },
      rows: () => {
        const rows = Array.from({ length: 9 }, (_, index) => ({ text: `t${index}`, label: index % 2 ? 'a' : 'b' }));
        return { train: rows, validation: rows, test: rows };
      },
    },
  ];
  const changes = { tasks: ['made'], controls: ['other'] };
  expect(await run({ tasks, changes, controlsOnly: true, concurrency: 2 })).toMatchObject({ done: 8, total: 8 });
  const kinds = () => ran.map(({ cell, kind, seed }) => `${cell.task} ${cell.method} ${kind} ${seed}`).sort();
  const tuned = (cell: string) => Array<string>(3).fill(`${cell} tuning 0`);
  const once = ['made', 'made, labels shuffled'].flatMap((task) => [`${task} other seed 1`, ...tuned(`${task} other`)]);
  expect(kinds()).toEqual(once);
  ran.length = 0;
  // The trials above count; no shuffled cell is timed.
  expect(await run({ tasks, changes, concurrency: 2 })).toMatchObject({ done: 17, reused: 8, total: 17 });
  expect(ran.filter(({ kind }) => kind === 'timing').map(({ cell }) => cell.task)).toEqual(['made', 'made']);
});

it('is parted into shards without a rest', async () => {
  for (const index of [1, 2]) await run({ shard: { index, count: 2 } });
  expect(new Set(told()).size).toBe(10);
  expect(ran).toHaveLength(10);
});

it('refuses a suite whose recipes are wrong before anything runs', async () => {
  await expect(run({ changes: { methods: { one: { one: { sise: 2 } } } } })).rejects.toThrow('one.sise: unknown key');
  expect(ran).toEqual([]);
});
