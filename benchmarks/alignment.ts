/**
 * `npm run bench:alignment [-- ppo grpo dpo] [--seeds 1,2,3]`: PPO, GRPO and DPO on a task whose best policy is known, each for three
 * seeds, against the model that they start from. One of eight answers that it learnt is a sailor's ("Aye, captain: …"); the best policy
 * gives no other. Measured by one draw for each of 96 held-out questions: of two answers the better wins, and alike they share it; KL by
 * the answers' own tokens. Exit code 1 where a seed wins less than 0.8 or is further than 10 nats an answer from where it started.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tunesmith } from './command-case.js';

const bars = { win: 0.8, kl: 10 };
const examples = fileURLToPath(new URL('../examples/recipes/', import.meta.url));
const bundled = fileURLToPath(new URL('../packages/zoo/model', import.meta.url));
const drawsEach = 8;
/** No setting was chosen by these, and nothing in the examples asks for them. */
const heldOut = [
  ...['Mongolia', 'Zambia', 'Paraguay', 'Belarus', 'Armenia', 'Georgia'],
  ...['Sudan', 'Mali', 'Oman', 'Panama', 'Haiti', 'Fiji'],
];

interface Pair {
  readonly prompt: readonly object[];
  readonly chosen: readonly object[];
  readonly rejected: readonly object[];
}

/** What all measure: whether an answer is a sailor's. */
const rewarded = { reward: 'pattern', pattern: '^\\s*Aye, captain', maxNewTokens: 16, temperature: 1 };
const adapter = { method: 'lora', lora: { rank: 8, alpha: 16, targetModules: 'all-linear' } };
const constant = { schedule: { name: 'constant' } };

/** By name: what learns, from which file, and how. */
const learners = {
  ppo: {
    file: 'prompts.jsonl',
    objective: { name: 'ppo', ...rewarded, prompts: 40, epochs: 2, klCoefficient: 0.02, mostKl: 0.1 },
    trainer: { steps: 24, batchSize: 40, learningRate: 2e-3, ...constant },
  },
  grpo: {
    file: 'prompts.jsonl',
    objective: { name: 'grpo', ...rewarded, prompts: 5, answers: 8, beta: 0.02 },
    trainer: { steps: 24, batchSize: 40, learningRate: 1e-3, ...constant },
  },
  dpo: {
    file: 'preferences.jsonl',
    objective: { name: 'dpo', loss: 'apo_zero', beta: 0.5 },
    trainer: { steps: 100, batchSize: 8, learningRate: 5e-4 },
  },
} as const;

type Learner = keyof typeof learners;

interface Measured {
  readonly reward: number;
  readonly kl: number;
  readonly length: number;
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { seeds: { type: 'string', default: '1,2,3' } },
});
const chosen = positionals.length > 0 ? (positionals as Learner[]) : (Object.keys(learners) as Learner[]);
const seeds = flags.seeds.split(',').map(Number);

const work = await mkdtemp(join(tmpdir(), 'tunesmith-alignment-'));
const cache = join(work, 'cache');
try {
  const start = await startingModel();
  const before = await measure(start, []);
  console.log(`the start: a sailor's answer ${before.reward.toFixed(3)}, ${before.length.toFixed(1)} tokens\n`);
  console.log('| | seed | wins | reward | KL, nats an answer | tokens | minutes |');
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  for (const learner of chosen) for (const seed of seeds) await trial(learner, seed, start, before);
} finally {
  await rm(work, { recursive: true, force: true });
}

async function trial(name: Learner, seed: number, start: string, before: Measured): Promise<void> {
  const started = performance.now();
  const { file, objective, trainer } = learners[name];
  const output = join(work, `${name}-${seed}`);
  await train({
    ...{ model: { path: start }, data: { train: join(examples, file), maxLength: 64 }, objective, ...adapter, output },
    trainer: { ...trainer, seed },
  });
  const minutes = (performance.now() - started) / 60_000;
  const { reward, kl, length } = await measure(start, ['--adapter', join(output, 'adapter')]);
  // Rewards are 0 or 1, so that who wins of two draws is known from their means: p(1 − q), and half of what is alike.
  const win = 0.5 + (reward - before.reward) / 2;
  const cells = [win.toFixed(3), reward.toFixed(3), kl.toFixed(2), length.toFixed(1), minutes.toFixed(1)];
  console.log(`| ${name} | ${seed} | ${cells.join(' | ')} |`);
  if (win < bars.win || kl > bars.kl) process.exitCode = 1;
}

/** The bundled model, taught to answer: one of eight answers is a sailor's. */
async function startingModel(): Promise<string> {
  const lines = (await readFile(join(examples, 'preferences.jsonl'), 'utf8')).trimEnd().split('\n');
  const rows = lines.map((line, index) => {
    const { prompt, chosen: sailor, rejected } = JSON.parse(line) as Pair;
    return JSON.stringify({ messages: [...prompt, ...(index % 8 === 0 ? sailor : rejected)] });
  });
  const data = join(work, 'answers.jsonl');
  await writeFile(data, `${rows.join('\n')}\n`);
  const output = join(work, 'answers');
  await train({
    ...{ model: { path: bundled }, data: { train: data, maxLength: 64 }, ...adapter, output },
    trainer: { steps: 60, batchSize: 8, learningRate: 2e-3, seed: 1 },
  });
  const merged = join(work, 'start');
  await tunesmith(cache, 'merge', '--model', bundled, '--adapter', join(output, 'adapter'), '--output', merged);
  return merged;
}

async function train(recipe: { readonly output: string; readonly [key: string]: unknown }): Promise<void> {
  const file = `${recipe.output}.json`;
  await writeFile(file, JSON.stringify(recipe));
  await tunesmith(cache, 'train', file);
}

async function measure(model: string, adapters: readonly string[]): Promise<Measured> {
  const data = join(work, 'held-out.jsonl');
  const rows = heldOut.map((country) =>
    JSON.stringify({ prompt: [{ role: 'user', content: `What is the capital of ${country}?` }] }),
  );
  await writeFile(data, `${rows.join('\n')}\n`.repeat(drawsEach));
  const settings = Object.entries({ name: 'ppo', ...rewarded }).map(([key, value]) => `objective.${key}=${value}`);
  const { metrics } = (await tunesmith(
    ...([cache, 'eval', '--model', model, ...adapters, '--data', data, '--set', 'data.maxLength=64'] as const),
    ...settings.flatMap((setting) => ['--set', setting]),
  )) as { metrics: Record<string, number> };
  const { reward = Number.NaN, kl = Number.NaN, length = Number.NaN } = metrics;
  return { reward, kl, length };
}
