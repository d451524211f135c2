/** Several tasks in a run from recipes: what is reported of each, that a run goes on as it was, and what is refused. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
const files = ['same.jsonl', 'other.jsonl'];
const tasks = ['same', 'other'];
const recipe = {
  model: { path: 'model' },
  data: { train: files, validation: files, taskTemperature: 2, maxLength: 16, promptLossWeight: 0 },
  method: 'lora',
  lora: { dropout: 0.1 },
  trainer: { steps: 8, batchSize: 4, learningRate: 0.01, checkpointEvery: 4, seed: 1 },
};
const objectives = {
  'equal-weights': {},
  uncertainty: { learningRate: 0.1 },
  dwa: { interval: 2, temperature: 0.1 },
  gradnorm: { rate: 0.1 },
};

async function train(name: string, changes: object): Promise<Record<string, unknown>> {
  await writeFile(join(home, `${name}.yaml`), stringify({ ...recipe, ...changes, output: name }));
  return runJson(home, 'train', `${name}.yaml`);
}

const steps = (run: string): { loss: number; terms: Record<string, number> }[] =>
  readFileSync(join(home, run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === 'step');

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-multi-task-'));
  await writeTinyModel(join(home, 'model'));
  const rows = (count: number, answer: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) =>
      JSON.stringify({ prompt: `${index % 6}: `, completion: answer(index) }),
    ).join('\n');
  await writeFile(join(home, 'same.jsonl'), `${rows(32, (index) => `${index % 6}.`)}\n`);
  await writeFile(join(home, 'other.jsonl'), `${rows(8, (index) => `${9 - (index % 6)}!`)}\n`);
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('several tasks', () => {
  it.each(Object.entries(objectives))(
    'weighed by %s: each is reported, and a run goes on to the same bits',
    async (name, options) => {
      const changes = { objective: { name, tasks, ...options } };
      const { after } = await train(name, changes);
      const { loss, metrics } = after as { loss: number; metrics: Record<string, number> };
      // 32 and 8 answers of equally many tokens.
      expect(0.8 * (metrics.same as number) + 0.2 * (metrics.other as number)).toBeCloseTo(loss, 5);
      const weights = steps(name).map(({ terms }) => tasks.map((task) => terms[`weight.${task}`] as number));
      expect(weights[0]).toEqual([expect.closeTo(1, 6), expect.closeTo(1, 6)]);
      const moved = (weights.at(-1) as number[]).some((weight) => Math.abs(weight - 1) > 1e-3);
      expect(moved).toBe(name !== 'equal-weights');

      await train(`${name}-part`, changes);
      await rm(join(home, `${name}-part/checkpoints/step-00000008`), { recursive: true });
      expect(await runJson(home, 'resume', `${name}-part`)).toMatchObject({ from: 4, step: 8 });
      const adapter = (run: string): Buffer => readFileSync(join(home, run, 'adapter/adapter_model.safetensors'));
      expect(adapter(`${name}-part`).equals(adapter(name))).toBe(true);
      expect(steps(`${name}-part`).map(({ terms }) => terms)).toEqual(steps(name).map(({ terms }) => terms));
    },
  );

  it('weighed by uncertainty accumulate as in one batch', async () => {
    const objective = { name: 'uncertainty', tasks, learningRate: 0.1 };
    const trainer = { ...recipe.trainer, steps: 4 };
    const { lora: _, ...without } = recipe;
    const run = (name: string, batches: object) =>
      train(name, { ...without, lora: undefined, objective, trainer: { ...trainer, ...batches } });
    await run('whole', { batchSize: 4 });
    await run('divided', { batchSize: 2, gradientAccumulation: 2 });
    for (const [index, { terms }] of steps('divided').entries()) {
      for (const [name, value] of Object.entries(steps('whole')[index]?.terms ?? {})) {
        expect(terms[name], name).toBeCloseTo(value, 4);
      }
    }
  });

  it('are refused where files, names or accumulation do not fit', async () => {
    const failure = async (changes: object): Promise<string> => {
      await writeFile(join(home, 'wrong.yaml'), stringify({ ...recipe, ...changes, output: 'wrong' }));
      const { code, stdout } = await runCli(home, 'train', 'wrong.yaml', '--json');
      expect(code).toBeGreaterThan(0);
      return JSON.parse(stdout).error.message;
    };
    const { taskTemperature: _, ...data } = recipe.data;
    const objective = { name: 'gradnorm', tasks };
    expect(await failure({ data, objective })).toContain('data.taskTemperature: gradnorm needs it');
    expect(await failure({ objective: { ...objective, tasks: [...tasks, 'third'] } })).toContain(
      'data.train: expected a file for each of objective.tasks, 3, got 2',
    );
    expect(await failure({ objective, trainer: { ...recipe.trainer, gradientAccumulation: 2 } })).toContain(
      '"gradnorm" cannot accumulate gradients',
    );
  });
});
