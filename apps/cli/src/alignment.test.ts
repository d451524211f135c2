/** Answers, a reward model and a policy as one sequence: what each begins with, that it survives being killed, and what is refused. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SequenceResult } from '@tunesmith/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { runCli, runJson, startCli } from './fixtures/run-cli.js';
import { writeTinyModel } from './fixtures/tiny-model.js';

let home: string;
let whole: SequenceResult;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-alignment-'));
  await writeTinyModel(join(home, 'model'));
  const rows = (row: (index: number) => object): string =>
    `${Array.from({ length: 12 }, (_, index) => JSON.stringify(row(index))).join('\n')}\n`;
  const pair = (index: number) => ({ prompt: `${index % 6}: `, chosen: `${index % 6}.`, rejected: `${index % 6}!` });
  const turned = (index: number) => ({ ...pair(index), chosen: pair(index).rejected, rejected: pair(index).chosen });
  await writeFile(
    join(home, 'answers.jsonl'),
    rows((index) => ({ prompt: `${index % 6}: `, completion: 'yes.' })),
  );
  await writeFile(join(home, 'pairs.jsonl'), rows(pair));
  await writeFile(join(home, 'turned.jsonl'), rows(turned));
  await writeFile(
    join(home, 'prompts.jsonl'),
    rows((index) => ({ prompt: `${index % 6}: ` })),
  );
  whole = (await runJson(home, 'sequence', await write('whole', {}))) as unknown as SequenceResult;
}, 300_000);
afterAll(() => rm(home, { recursive: true, force: true }));

const both = (file: string) => ({ train: `${file}.jsonl`, validation: `${file}.jsonl` });
const ppo = { name: 'ppo', prompts: 8, maxNewTokens: 6, temperature: 1, epochs: 2 };
const tasks = [
  { name: 'sft', ...both('answers') },
  { name: 'judge', objective: 'reward', ...both('pairs') },
  { name: 'policy', objective: ppo, rewardModel: 'judge', ...both('prompts'), trainer: { batchSize: 4, steps: 60 } },
];
const recipe = {
  model: { path: 'model' },
  method: 'lora',
  lora: { targetModules: 'all-linear', dropout: 0.1 },
  tasks,
  data: { maxLength: 16 },
  trainer: { steps: 30, batchSize: 4, learningRate: 0.01, evaluateEvery: 30, checkpointEvery: 5, seed: 1 },
};

async function write(name: string, changes: object): Promise<string> {
  await writeFile(join(home, `${name}.yaml`), stringify({ ...recipe, output: name, ...changes }));
  return `${name}.yaml`;
}

const text = (path: string): string => readFileSync(join(home, path), 'utf8');
const hashOf = (path: string): string =>
  createHash('sha256')
    .update(readFileSync(join(home, path)))
    .digest('hex');

interface Line {
  readonly type: string;
  readonly step: number;
  readonly loss?: number;
  readonly terms?: object;
}

function stepsOf(run: string): Line[] {
  if (!existsSync(join(home, run, 'metrics.jsonl'))) return [];
  const lines = text(`${run}/metrics.jsonl`).split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Line).filter(({ type }) => type === 'step');
}

interface Evaluated {
  readonly loss: number;
  readonly metrics: Record<string, number>;
}
const evaluated = (...args: string[]) => runJson(home, ...args) as unknown as Promise<Evaluated>;

const lossesOf = (run: string) => stepsOf(run).map(({ step, loss, terms }) => ({ step, loss, terms }));

/** Starts a sequence and kills what trains one of its runs once it has come to a step. */
async function killAt(file: string, run: string, step: number): Promise<void> {
  const { process: parent, done } = startCli(home, 'sequence', file, '--json');
  let ended = false;
  void done.then(() => {
    ended = true;
  });
  while (!ended && (stepsOf(run).at(-1)?.step ?? 0) < step) await delay(2);
  expect(ended).toBe(false);
  process.kill((JSON.parse(text(`${run}/run.lock`)) as { pid: number }).pid, 'SIGKILL');
  parent.kill('SIGKILL');
  await done;
}

describe('answers, a reward model and a policy', () => {
  it('are one sequence, which goes on to the same bits where it was killed, in the middle of a rollout too', async () => {
    expect(whole.runs.map(({ task }) => task)).toEqual(['sft', 'judge', 'policy']);
    const { model, objective } = parse(text('whole/3-policy/recipe.yaml'));
    const folder = (path: string) => join(home, 'whole', path);
    expect(model.path).toBe(folder('1-sft/merged'));
    expect(objective).toMatchObject({ reward: 'model', rewardModel: folder('2-judge/merged') });
    expect(objective.gateData).toEqual([join(home, 'pairs.jsonl')]);

    const file = await write('killed', {});
    // Checkpoints are at every fifth step, rollouts at every fourth: the policy goes on from within an epoch of one.
    await killAt(file, 'killed/2-judge', 9);
    const sft = hashOf('killed/1-sft/adapter/adapter_model.safetensors');
    await killAt(file, 'killed/3-policy', 16);
    const before = stepsOf('killed/3-policy').length;
    expect(before).toBeLessThan(60);
    await runJson(home, 'sequence', file);
    expect(hashOf('killed/1-sft/adapter/adapter_model.safetensors')).toBe(sft);
    for (const run of ['1-sft', '2-judge', '3-policy']) {
      expect(lossesOf(`killed/${run}`)).toEqual(lossesOf(`whole/${run}`));
      const adapter = `${run}/adapter/adapter_model.safetensors`;
      expect(hashOf(`killed/${adapter}`)).toBe(hashOf(`whole/${adapter}`));
    }
  }, 300_000);

  it('are measured after their run as it measured itself, by the reward model and by a named reward, with the KL', async () => {
    const ran = whole.runs[2]?.after?.metrics ?? {};
    const own = await evaluated('eval', 'whole/3-policy');
    expect(own.loss).toBeCloseTo(-(ran.reward as number), 5);
    for (const [name, value] of Object.entries(ran)) expect(own.metrics[name]).toBeCloseTo(value, 4);
    expect(own.metrics).toMatchObject({
      kl: expect.any(Number),
      length: expect.any(Number),
      ended: expect.any(Number),
    });
    // By hand: the model, the adapter, and a reward model that is an adapter too.
    const adapted = ['--model', 'whole/1-sft/merged', '--adapter', 'whole/3-policy/adapter', '--data', 'prompts.jsonl'];
    const asked = (objective: object): string[] => ['--set', `objective=${JSON.stringify(objective)}`];
    const sized = ['--set', 'data.maxLength=16', '--batch-size', '4'];
    const judge = { reward: 'model', rewardModel: 'whole/2-judge/adapter' };
    const byAdapter = await evaluated('eval', ...adapted, ...sized, ...asked({ ...ppo, ...judge }));
    const byModel = await evaluated(
      ...['eval', ...adapted, ...sized, ...asked({ ...ppo, ...judge, rewardModel: 'whole/2-judge/merged' })],
    );
    expect(byAdapter.metrics.reward).toBeCloseTo(byModel.metrics.reward as number, 4);
    // What is learnt without a reference is measured against it all the same.
    const named = { name: 'grpo', maxNewTokens: 6, reward: 'length', targetLength: 3 };
    const free = await evaluated('eval', ...adapted, ...sized, ...asked(named));
    expect(free.metrics.reward).toBeLessThanOrEqual(1);
    expect(free.metrics.kl).toBeGreaterThan(1);
  }, 300_000);

  it('are refused where the reward model fails its gate, before the policy takes a step', async () => {
    const turned = { ...tasks[1], validation: 'turned.jsonl' };
    const file = await write('gated', { tasks: [tasks[0], turned, tasks[2]] });
    const { code, stderr } = await runCli(home, 'sequence', file);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/tells too few pairs apart[\s\S]*turned\.jsonl/)]);
    expect(stepsOf('gated/3-policy')).toEqual([]);
  }, 300_000);

  it.each([
    [
      'a later task',
      [tasks[0], tasks[2], tasks[1]],
      /"policy" has its reward model from "judge"[\s\S]*earlier task: sft/,
    ],
    ['a model that is no judge', [tasks[0], { ...tasks[2], rewardModel: 'sft' }], /"sft" leaves no reward model/],
    [
      'another reward beside it',
      [...tasks.slice(0, 2), { ...tasks[2], objective: { ...ppo, reward: 'exact' } }],
      /rewards are those of "judge"[\s\S]*exact/,
    ],
    ['a device of its own', [{ ...tasks[0], device: 'tfjs' }], /says "device", which is said once/],
    ['a model that is not there', [tasks[0], { ...tasks[1], model: { path: 'other' } }], /FILE_MISSING at .*other/],
    ['an option that is unknown', [tasks[0], { ...tasks[1], objective: { name: 'reward', marge: 1 } }], /marge/],
  ])(
    'say so of %s, before anything is trained',
    async (_, listed, message) => {
      const { code, stderr } = await runCli(home, 'sequence', await write('wrong', { tasks: listed }));
      expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
      expect(existsSync(join(home, 'wrong'))).toBe(false);
    },
    60_000,
  );

  it('are the recipe of the examples', async () => {
    const example = fileURLToPath(new URL('../../../examples/recipes/rlhf/rlhf.yaml', import.meta.url));
    const { runs, losses } = (await runJson(
      ...([home, 'sequence', example, '--output', 'example'] as const),
    )) as unknown as SequenceResult;
    expect(losses).toEqual([]);
    const [answers, reward, policy] = runs.map(({ before, after }) => ({ before, after }));
    expect(answers?.after?.loss).toBeLessThan(0.5 * (answers?.before?.loss as number));
    expect(reward?.after?.metrics['rewards/accuracies']).toBe(1);
    const [was, is] = [policy?.before?.metrics, policy?.after?.metrics] as Record<string, number>[];
    expect(is?.reward).toBeGreaterThan((was?.reward as number) + 1);
    expect(is?.kl).toBeLessThan(10);
  }, 300_000);
});

describe('a collapse', () => {
  const recipes = fileURLToPath(new URL('../../../examples/recipes', import.meta.url));

  it('is told with its reason as it happens, kept in the metrics, and explained', async () => {
    // Longer is better, nothing holds the model where it was, and the rate is high.
    const objective = { targetLength: 32, maxNewTokens: 24, beta: 0 };
    const settings = Object.entries(objective).map(([name, value]) => ['--set', `objective.${name}=${value}`]);
    const fast = ['--set', 'trainer.learningRate=3e-3', '--steps', '6', '--output', 'longer'];
    const { code, stderr } = await runCli(home, 'train', join(recipes, 'grpo.yaml'), ...settings.flat(), ...fast);
    const reason = /answers are [\d.]+ times as long as at first, and their rewards go with their lengths/;
    expect([code, stderr]).toEqual([0, expect.stringMatching(reason)]);
    const warned = text('longer/metrics.jsonl')
      .split('\n')
      .filter((line) => line.includes('"type":"warning"'));
    expect(warned.map((line) => JSON.parse(line))).toEqual([
      {
        type: 'warning',
        step: expect.any(Number),
        message: expect.stringMatching(reason),
        peakBytes: expect.any(Number),
      },
    ]);
    const explained = await runCli(home, 'runs', 'explain', 'longer');
    expect(explained.stdout).toMatch(/A collapse: answers are .* Let the reward not grow with it\.\n/);
  }, 300_000);

  /** Two steps of PPO on the tiny model: what is said of them as they are taken. */
  async function saidAt(temperature: number, output: string): Promise<string> {
    const { tasks: _, ...rest } = recipe;
    const objective = { ...ppo, reward: 'length', targetLength: 3, temperature };
    const trainer = { ...recipe.trainer, steps: 2, learningRate: 1e-3 };
    const document = { ...rest, data: { ...both('prompts'), maxLength: 16 }, objective, trainer };
    await writeFile(join(home, `${output}.yaml`), stringify(document));
    const { code, stderr } = await runCli(home, 'train', `${output}.yaml`, '--output', output);
    expect(code).toBe(0);
    return stderr;
  }

  it('is told of answers that are all alike', async () => {
    expect(await saidAt(0.001, 'cold')).toMatch(/the entropy has fallen to 0\.0\d+ nats a token/);
  }, 120_000);

  it('is not seen where there is none', async () => {
    expect(await saidAt(1, 'warm')).not.toContain('warning');
    expect(await runJson(home, 'runs', 'explain', 'warm')).toEqual({ findings: [], warnings: [] });
    const { stdout } = await runCli(home, 'runs', 'explain', 'warm');
    expect(stdout).toMatch(/nothing looks wrong/);
  }, 120_000);
});
