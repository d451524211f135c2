import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyData, writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
const data = ['--data', 'data.jsonl'];
const lossOf = async (...flags: string[]): Promise<number> =>
  (await runJson(home, 'eval', ...flags, ...data)).loss as number;
const recipe = (model: string): string =>
  `model: { path: ${model}, experts: { balance: 0.01, z: 0.001, capacityFactor: 1.25 } }\n` +
  'data: { train: data.jsonl, validation: data.jsonl }\nmethod: lora\nlora: { targetModules: [w1, w2, w3, gate] }\n' +
  'trainer: { steps: 12, batchSize: 4, learningRate: 0.02 }\n';

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-upcycle-'));
  await writeTinyModel(join(home, 'model'));
  await writeTinyData(join(home, 'data.jsonl'));
  await writeFile(join(home, 'mixture.yaml'), recipe('mixture'));
  await writeFile(join(home, 'dense.yaml'), recipe('model'));
  await runJson(home, 'upcycle', '--model', 'model', '--experts', '4', '--top-k', '2', '--output', 'mixture');
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

it('makes a mixture of experts that has the loss of the dense model', async () => {
  expect(JSON.parse(await readFile(join(home, 'mixture/config.json'), 'utf8'))).toMatchObject({
    ...{ model_type: 'mixtral', num_local_experts: 4, num_experts_per_tok: 2 },
  });
  expect(await lossOf('--model', 'mixture')).toBeCloseTo(await lossOf('--model', 'model'), 5);
});

it('trains it by one recipe with its routers’ losses and a capacity, and evaluates what came of it', async () => {
  const { code, stdout, stderr } = await runCli(home, 'train', 'mixture.yaml', '--output', 'run', '--json');
  expect(code, stderr).toBe(0);
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; terms: object; observed: object });
  const steps = events.filter(({ type }) => type === 'step');
  expect(steps).toHaveLength(12);
  for (const { terms, observed } of steps) {
    expect(Object.keys(terms).sort()).toEqual(['experts.balance', 'experts.z']);
    expect(Object.keys(observed)).toEqual(expect.arrayContaining(['experts.largestOverMean', 'experts.droppedShare']));
  }
  const { before, after } = events.at(-1) as unknown as Record<string, { loss: number }>;
  expect(after?.loss).toBeLessThan(before?.loss as number);
  const adapted = await lossOf('--model', 'mixture', '--adapter', 'run/adapter');
  expect(adapted).toBeCloseTo(after?.loss as number, 5);
  await runJson(home, 'merge', '--model', 'mixture', '--adapter', 'run/adapter', '--output', 'merged');
  expect(await lossOf('--model', 'merged')).toBeCloseTo(adapted, 4);
}, 60_000);

it('has nothing of that for a dense model', async () => {
  const { code, stderr } = await runCli(home, 'train', 'dense.yaml', '--output', 'none');
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/CONFIG_INVALID at model\.experts.*have no experts.*tunesmith upcycle/s);
});
