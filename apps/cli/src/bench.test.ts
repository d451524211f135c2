import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, startCli } from './fixtures/run-cli.js';
import { writeTinyData, writeTinyModel } from './fixtures/tiny-model.js';

/** Methods that end the process they run in, each in its own way. */
const plugin = `
  import { defineMethod } from '@tunesmith/core';
  import { z } from 'zod';
  const ends = (name, how) => defineMethod({
    name, apiVersion: 1, summary: 'Ends the process.', capabilities: {}, config: z.strictObject({}),
    defaults: { learningRate: 0.1 }, create: () => ({ patchModel: how }),
  });
  export const crashing = ends('crashing', () => process.abort());
  export const throwing = ends('throwing', () => { throw new Error('this method is broken'); });
`;

const suite = {
  name: 'tiny',
  models: { tiny: { path: 'model', ownText: 'own.txt' } },
  tasks: [
    {
      ...{ name: 'sums', licence: 'CC0', train: 'train.jsonl', validation: 'held.jsonl', test: 'held.jsonl' },
      metric: { name: 'exactMatch', chance: 0, ceiling: 1 },
    },
  ],
  methods: { rank2: { method: 'lora', lora: { rank: 2 } }, crashing: {}, throwing: {} },
  budgets: { short: { steps: 3, batchSize: 2, evaluations: 1, threads: 1 } },
  tuning: { trials: 1 },
  seeds: [1, 2],
  plugins: ['./plugin.ts'],
};

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-bench-'));
  await writeTinyModel(join(home, 'model'));
  await writeTinyData(join(home, 'train.jsonl'));
  await writeTinyData(join(home, 'held.jsonl'), 6);
  await writeFile(join(home, 'own.txt'), 'What the base has read, more or less.\n');
  await writeFile(join(home, 'plugin.ts'), plugin);
  await writeFile(join(home, 'suite.json'), JSON.stringify(suite));
  // What the plugin imports is installed beside it, as it would be.
  await symlink(fileURLToPath(new URL('../../../node_modules', import.meta.url)), join(home, 'node_modules'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const resultsOf = async (folder: string) => {
  const names = await readdir(join(home, folder, 'trials'));
  const texts = await Promise.all(names.sort().map((name) => readFile(join(home, folder, 'trials', name), 'utf8')));
  return texts.map((text) => JSON.parse(text));
};

const timing = new Set([
  ...['created_at', 'total_time', 'train_time', 'trainSeconds', 'evaluationSeconds', 'totalSeconds', 'secondsPerStep'],
  ...['tokensPerSecond', 'peakBytes', 'residentBytes', 'joules', 'inference', 'seconds'],
  ...['accelerator_memory_reserved_avg', 'accelerator_memory_max', 'accelerator_memory_reserved_99th'],
]);
const withoutTiming = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, field) => (timing.has(key) ? undefined : field)));

describe('bench run', () => {
  it('finishes a suite in which processes die, a row with a reason each', async () => {
    const { code, stdout, stderr } = await runCli(home, 'bench', 'run', 'suite.json', '--json');
    expect(stderr, stdout).toBe('');
    expect(code).toBe(0);
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) as string);
    expect(last).toMatchObject({ type: 'result', total: 9, done: 5, failed: 2, givenUp: 4, left: 0 });

    const results = await resultsOf('bench-results');
    const of = (method: string) => results.filter(({ trial }) => trial.cell.method === method);
    expect(of('crashing').map(({ trial }) => trial.outcome.failure.kind)).toEqual(['crashed']);
    expect(of('throwing').map(({ run_info }) => run_info.error_msg)).toEqual([
      expect.stringContaining('this method is broken'),
    ]);
    const seeds = of('rank2').filter(({ trial }) => trial.kind === 'seed');
    expect(seeds.map(({ trial }) => trial.seed).sort()).toEqual([1, 2]);
    for (const { trial, train_info: info } of seeds) {
      const { quality, costs, size, inference, plan } = trial.outcome.measurement;
      expect(quality.test).toMatchObject({ rows: 6, metrics: { exactMatch: 0 } });
      expect(quality.test.loss).not.toBe(quality.untrained.loss);
      expect(quality.forgetting.change).toBeCloseTo(quality.forgetting.after - quality.forgetting.before, 12);
      expect(costs.steps).toBe(3);
      expect(costs.trainSeconds).toBeLessThan(costs.totalSeconds);
      expect(costs.flops).toBe(3 * costs.flopsPerStep);
      expect(costs.peakBytes / plan.peakBytes).toBeGreaterThan(0.5);
      expect(size.adapterBytes).toBeGreaterThan(4 * size.trainedParameters);
      expect(inference.merged).toBeGreaterThan(0);
      expect(info.status).toBe('success');
    }
  }, 120_000);

  it('keeps the base as a method wants it: in few bits it says something else', async () => {
    const methods = { coded: { method: 'qlora', qlora: { rank: 2 } } };
    await writeFile(join(home, 'coded.json'), JSON.stringify({ ...suite, methods, seeds: [1] }));
    const { code, stderr } = await runCli(home, 'bench', 'run', 'coded.json', '--results', 'coded');
    expect(code, stderr).toBe(0);
    const untrained = async (folder: string): Promise<Set<number>> => {
      const results = (await resultsOf(folder)).filter(({ trial }) => trial.outcome.status === 'success');
      return new Set(results.map(({ trial }) => trial.outcome.measurement.quality.untrained.loss));
    };
    const [coded, plain] = [await untrained('coded'), await untrained('bench-results')];
    expect([coded.size, plain.size]).toEqual([1, 1]);
    expect(coded).not.toEqual(plain);
    // Merged into the base in full precision: codes would lose it.
    const seeds = (await resultsOf('coded')).filter(({ trial }) => trial.kind === 'seed');
    expect(seeds.map(({ trial }) => trial.outcome.measurement?.inference?.merged)).toEqual([expect.any(Number)]);
  }, 120_000);

  it('goes on after it is killed, and what was finished is not run again', async () => {
    const bench = startCli(home, 'bench', 'run', 'suite.json', '--json', '--results', 'killed');
    await new Promise<void>((resolve) => {
      bench.process.stdout?.on('data', (text: string) => text.includes('"finished"') && resolve());
    });
    bench.process.kill('SIGKILL');
    await bench.done;
    const before = await readdir(join(home, 'killed/trials'));
    expect(before.length).toBeGreaterThan(0);
    const { stdout } = await runCli(home, 'bench', 'run', 'suite.json', '--json', '--results', 'killed');
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) as string);
    expect(last).toMatchObject({ done: 5, reused: before.length });
    // The same trials as those of the suite that was not killed, which differ in nothing but times and memory.
    expect(withoutTiming(await resultsOf('killed'))).toEqual(withoutTiming(await resultsOf('bench-results')));
  }, 120_000);

  it('measures preferences against the base, though nothing is left of it after training', async () => {
    const pair = (index: number) => ({ prompt: `${index} or ${index + 1}? `, chosen: `${index}.`, rejected: 'No.' });
    const pairs = Array.from({ length: 8 }, (_, index) => `${JSON.stringify(pair(index))}\n`).join('');
    await writeFile(join(home, 'pairs.jsonl'), pairs);
    const task = {
      ...{ name: 'pairs', licence: 'CC0', objective: { name: 'dpo', reference: 'cached' } },
      ...{ train: 'pairs.jsonl', validation: 'pairs.jsonl', test: 'pairs.jsonl' },
      metric: { name: 'rewards/accuracies', chance: 0.5, ceiling: 1 },
    };
    const methods = { whole: { method: 'full', learningRates: [1e-2] } };
    await writeFile(join(home, 'pairs.json'), JSON.stringify({ ...suite, tasks: [task], methods, seeds: [1] }));
    const { code, stderr } = await runCli(home, 'bench', 'run', 'pairs.json', '--results', 'pairs');
    expect(code, stderr).toBe(0);
    const results = await resultsOf('pairs');
    expect(results).toHaveLength(2);
    for (const { trial } of results) {
      const { quality, inference } = trial.outcome.measurement;
      expect(quality.untrained.loss).toBeCloseTo(Math.LN2, 5);
      expect(quality.untrained.metrics['rewards/margins']).toBeCloseTo(0, 5);
      expect(quality.test.loss).toBeLessThan(0.6);
      expect(quality.test.metrics['rewards/accuracies']).toBe(1);
      expect(quality.validation).toEqual(quality.test);
      expect(quality.forgetting.before).toBeGreaterThan(0);
      expect(inference).toBeNull();
    }
  }, 120_000);

  it('asks a classifier what it has forgotten under the base’s own head', async () => {
    const rows = ['yes', 'no'].map((label) => `${JSON.stringify({ text: `Say ${label}.`, label })}\n`).join('');
    await writeFile(join(home, 'labels.jsonl'), rows);
    const task = {
      ...{ name: 'labels', licence: 'CC0', objective: { name: 'classification', labels: ['no', 'yes'] } },
      ...{ train: 'labels.jsonl', validation: 'labels.jsonl', test: 'labels.jsonl' },
      metric: { name: 'accuracy', chance: 0.5, ceiling: 1 },
    };
    const methods = {
      whole: { method: 'full', learningRates: [1e-2] },
      beside: { method: 'lora', lora: { rank: 2 }, learningRates: [1e-2] },
      untouched: { method: 'lora', lora: { rank: 2 }, learningRates: [1e-30] },
    };
    await writeFile(join(home, 'labels.json'), JSON.stringify({ ...suite, tasks: [task], methods, seeds: [1] }));
    const { code, stderr } = await runCli(home, 'bench', 'run', 'labels.json', '--results', 'labels');
    expect(code, stderr).toBe(0);
    const results = (await resultsOf('labels')).filter(({ trial }) => trial.kind === 'seed');
    const of = (method: string) =>
      results.find(({ trial }) => trial.cell.method === method)?.trial.outcome.measurement as never;
    const forgotten = (method: string): number =>
      (of(method) as { quality: { forgetting: { change: number } } }).quality.forgetting.change;
    expect(forgotten('untouched')).toBeCloseTo(0, 6);
    expect(Math.abs(forgotten('beside'))).toBeGreaterThan(1e-4);
    expect(Math.abs(forgotten('whole'))).toBeGreaterThan(1e-4);
    expect(of('beside')).toMatchObject({ inference: { base: null, merged: expect.any(Number) } });
  }, 120_000);

  it('tells what is wrong with a suite, and runs nothing', async () => {
    await writeFile(join(home, 'wrong.json'), JSON.stringify({ ...suite, tasks: ['exercise'] }));
    const { code, stderr } = await runCli(home, 'bench', 'run', 'wrong.json');
    expect(code).toBe(2);
    expect(stderr).toContain('there is no task "exercise". Did you mean exercises?');
  });
});

it('lists the tasks with their licences', async () => {
  const { stdout } = await runCli(home, 'bench', 'tasks', '--json');
  const tasks = JSON.parse(stdout) as { name: string; licence: string }[];
  const onHub = ['sst2', 'gsm8k', 'metamath-gsm8k', 'alpaca', 'helpful-answers'];
  expect(tasks.map(({ name }) => name)).toEqual([
    'spam-or-ham',
    'browser-declarations',
    'exercises',
    'better-answers',
    ...onHub,
  ]);
  for (const { licence } of tasks) expect(licence).not.toBe('');
});
