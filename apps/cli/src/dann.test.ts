/** Domain-adversarial training from recipes: with which methods, what it reports and leaves, and that a run goes on as it was. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { runCli, runJson } from './fixtures/run-cli.js';
import { writeTinyEncoder, writeTinyModel } from './fixtures/tiny-model.js';

let home: string;

/** Whether it is the cat or the dog that sits; the target's texts say more around it. */
const texts = (count: number, around: (animal: string) => string): [text: string, label: string][] =>
  Array.from({ length: count }, (_, index) => {
    const animal = index % 2 === 0 ? 'cat' : 'dog';
    return [around(animal), animal];
  });

const recipe = {
  model: { path: 'encoder' },
  data: { train: 'source.jsonl', target: 'target.jsonl', validation: 'held.jsonl', maxLength: 16 },
  objective: { name: 'dann', units: 8 },
  method: 'lora',
  lora: { targetModules: 'all-linear', dropout: 0.1 },
  trainer: { steps: 8, batchSize: 8, learningRate: 0.003, checkpointEvery: 4, seed: 1 },
};

async function train(name: string, changes: object = {}): Promise<Record<string, unknown>> {
  await writeFile(join(home, `${name}.yaml`), stringify({ ...recipe, ...changes, output: name }));
  return runJson(home, 'train', `${name}.yaml`);
}

const steps = (run: string): { terms: Record<string, number> }[] =>
  readFileSync(join(home, run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === 'step');

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-dann-'));
  await writeTinyEncoder(join(home, 'encoder'));
  await writeTinyModel(join(home, 'decoder'));
  const jsonl = (rows: object[]): string => `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
  const source = texts(24, (animal) => `the ${animal} sat`).map(([text, label]) => ({ text, label }));
  const target = texts(16, (animal) => `a film of the ${animal}`);
  await writeFile(join(home, 'source.jsonl'), jsonl(source));
  await writeFile(join(home, 'target.jsonl'), jsonl(target.map(([text]) => ({ text }))));
  await writeFile(join(home, 'held.jsonl'), jsonl(target.map(([text, label]) => ({ text, label }))));
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('dann', () => {
  it.each([
    ['lora', {}],
    ['bitfit', { method: 'bitfit', lora: undefined }],
    ['full', { method: 'full', lora: undefined }],
    ['a decoder', { model: { path: 'decoder' }, data: { ...recipe.data, maxLength: 32 } }],
  ])('trains with %s, and reports how well domains are told apart', async (name, changes) => {
    const run = name.replace(' ', '-');
    const result = await train(run, changes);
    expect(result).toMatchObject({ reason: 'finished', after: { metrics: { accuracy: expect.any(Number) } } });
    for (const { terms } of steps(run)) {
      // Half of each batch is of either domain.
      expect([0, 1, 2, 3, 4, 5, 6, 7, 8]).toContain(Math.round(8 * (terms['domain.accuracy'] as number)));
      expect(terms['domain.source']).toBeGreaterThan(0);
      expect(terms['domain.target']).toBeGreaterThan(0);
    }
  });

  it('leaves a classifier with its labels, and nothing of the domains', async () => {
    const manifest = JSON.parse(readFileSync(join(home, 'lora/adapter/tunesmith.json'), 'utf8'));
    expect(manifest.objective).toMatchObject({ name: 'classification', labels: ['cat', 'dog'] });
    expect(readdirSync(join(home, 'lora'))).not.toContain('domain-classifier');
    const saved = readFileSync(join(home, 'lora/adapter/adapter_model.safetensors'), 'latin1');
    expect(saved).not.toContain('hidden.weight');
    const flags = ['--model', 'encoder', '--adapter', 'lora/adapter'];
    const { metrics } = await runJson(home, 'eval', ...flags, '--data', 'held.jsonl', '--set', 'data.maxLength=16');
    expect(metrics).toHaveProperty('accuracy');
  });

  it('goes on from a checkpoint to the same bits', async () => {
    await train('part');
    await rm(join(home, 'part/checkpoints/step-00000008'), { recursive: true });
    expect(await runJson(home, 'resume', 'part')).toMatchObject({ from: 4, step: 8 });
    const weights = (run: string): Buffer => readFileSync(join(home, run, 'adapter/adapter_model.safetensors'));
    expect(weights('part').equals(weights('lora'))).toBe(true);
    expect(steps('part').map(({ terms }) => terms)).toEqual(steps('lora').map(({ terms }) => terms));
  });

  it('needs unlabelled texts, which other objectives refuse', async () => {
    const failure = async (changes: object): Promise<string> => {
      await writeFile(join(home, 'wrong.yaml'), stringify({ ...recipe, ...changes, output: 'wrong' }));
      const { code, stdout } = await runCli(home, 'train', 'wrong.yaml', '--json');
      expect(code).toBe(2);
      return JSON.parse(stdout).error.message;
    };
    const { target: _, ...data } = recipe.data;
    expect(await failure({ data })).toContain('data.target: dann needs it');
    expect(await failure({ objective: 'classification' })).toContain('data.target: not for classification');
  });

  it('is planned', async () => {
    const { sites } = await runJson(home, 'plan', 'lora.yaml');
    expect(sites).toEqual(expect.arrayContaining([expect.objectContaining({ path: 'classifier' })]));
  });
});
