/**
 * `npm run bench:transfer`: whether what `packages/transfer` has does what it is for, on the bundled model over small tasks that
 * `transfer-tasks.ts` makes up. Each is compared with going without, seed by seed: the mean of the differences and its 95 % interval by
 * Student's t. An effect is there where the interval excludes 0.
 *
 *     npm run bench:transfer                       # everything, five seeds
 *     npm run bench:transfer -- domains 1 2        # one part, these seeds
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lora } from '@tunesmith/lora';
import { continueRun, parseRecipe, type RunResult, runSequence, train } from '@tunesmith/runtime';
import { dann, dwa, equalWeights, ewc, gradnorm, uncertainty } from '@tunesmith/transfer';
import { modelPath } from '@tunesmith/zoo';
import { createEngine, pluginRoots } from '../apps/cli/src/engine.js';
import { spreadOf } from '../packages/bench/src/report/spread.js';
import { cargoes, domains, letters, type Rows, reversals, type Task } from './transfer-tasks.js';

const methods = [lora, ewc];
const objectives = [dann, dwa, equalWeights, gradnorm, uncertainty];
const engine = createEngine({ methods, objectives, threads: 1 });

/** What one seed gives for every variant, by measure. */
type Outcome = Readonly<Record<string, Readonly<Record<string, number>>>>;

interface Part {
  readonly name: string;
  /** What variants are compared with. */
  readonly base: string;
  run(seed: number, folder: string): Promise<Outcome>;
}

const shared = {
  model: { path: modelPath() },
  lora: { rank: 8, alpha: 16, targetModules: 'all-linear' },
};

function write(folder: string, files: Readonly<Record<string, Rows>>): void {
  for (const [name, rows] of Object.entries(files))
    writeFileSync(join(folder, `${name}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

function writeTasks(folder: string, tasks: Readonly<Record<string, Task>>): void {
  for (const [name, { train: rows, validation }] of Object.entries(tasks))
    write(folder, { [name]: rows, [`${name}-held`]: validation });
}

async function trained(value: object, folder: string): Promise<RunResult> {
  const recipe = parseRecipe({ value: { ...shared, ...value }, where: folder }, methods, objectives);
  return train(recipe, engine);
}

const parts: readonly Part[] = [
  {
    name: 'forgetting',
    base: 'naive',
    async run(seed, folder) {
      writeTasks(folder, { cargoes: cargoes(seed, 128), letters: letters(seed, 128) });
      const variants = {
        naive: { method: 'lora' },
        ewc: { method: ['lora', 'ewc'], ewc: { lambda: 3000, samples: 64 } },
        replay: { method: 'lora', data: { replay: 0.2 } },
      };
      const outcome: Record<string, Record<string, number>> = {};
      for (const [name, { data = {}, ...changes }] of Object.entries<{ data?: object; method: unknown }>(variants)) {
        const file = join(folder, `${name}.json`);
        const tasks = ['cargoes', 'letters'].map((task) => ({
          ...{ name: task, train: `${task}.jsonl`, validation: `${task}-held.jsonl` },
        }));
        const trainer = {
          steps: 60,
          batchSize: 4,
          learningRate: 3e-3,
          evaluateEvery: 1000,
          checkpointEvery: 1000,
          seed,
        };
        const recipe = { ...shared, ...changes, tasks, trainer, data: { maxLength: 64, promptLossWeight: 0, ...data } };
        writeFileSync(file, JSON.stringify(recipe));
        const found = await runSequence(file, {
          ...{ engineOf: () => engine, output: join(folder, name), roots: pluginRoots() },
          train: async (run, { recipe: own }) => (await continueRun(run, own, engine)).reason !== 'aborted',
        });
        if (found === null) throw new Error('the sequence was stopped');
        const [, learnt = [], end = []] = found.losses;
        const [first = Number.NaN, second = Number.NaN] = end;
        outcome[name] = {
          forgotten: first - (learnt[0] as number),
          'first task at the end': first,
          'second task at the end': second,
        };
      }
      return outcome;
    },
  },
  {
    name: 'domains',
    base: 'source alone',
    async run(seed, folder) {
      const { source, target, validation } = domains(seed, 400);
      write(folder, { source, target, validation });
      const file = (name: string): string => join(folder, `${name}.jsonl`);
      const data = { train: file('source'), validation: file('validation'), maxLength: 32 };
      const optimizer = { name: 'sgd', momentum: 0.9 };
      const every = { evaluateEvery: 1000, checkpointEvery: 1000 };
      const trainer = { steps: 200, learningRate: 0.02, optimizer, ...every, seed };
      const measured = (result: RunResult): Record<string, number> => ({
        accuracy: result.after?.metrics.accuracy ?? Number.NaN,
      });
      return {
        'source alone': measured(
          await trained(
            {
              ...{ data, method: 'lora', output: join(folder, 'source-alone') },
              objective: { name: 'classification', labels: ['good', 'bad'] },
              trainer: { ...trainer, batchSize: 8 },
            },
            folder,
          ),
        ),
        DANN: measured(
          await trained(
            {
              ...{ method: 'lora', output: join(folder, 'dann') },
              data: { ...data, target: file('target') },
              objective: { name: 'dann', labels: ['good', 'bad'], lambda: 0.3 },
              trainer: { ...trainer, batchSize: 16 },
            },
            folder,
          ),
        ),
      };
    },
  },
  {
    name: 'weights',
    base: 'equal-weights',
    async run(seed, folder) {
      writeTasks(folder, { cargoes: cargoes(seed, 256), reversals: reversals(seed, 256) });
      const tasks = ['cargoes', 'reversals'];
      const outcome: Record<string, Record<string, number>> = {};
      for (const name of ['equal-weights', 'uncertainty', 'dwa', 'gradnorm']) {
        const result = await trained(
          {
            ...{ method: 'lora', output: join(folder, name) },
            objective: { name, tasks, ...(name === 'dwa' ? { interval: 10 } : {}) },
            data: {
              train: tasks.map((task) => join(folder, `${task}.jsonl`)),
              validation: tasks.map((task) => join(folder, `${task}-held.jsonl`)),
              ...{ taskTemperature: 2, maxLength: 64, promptLossWeight: 0 },
            },
            trainer: { steps: 120, batchSize: 8, learningRate: 3e-3, evaluateEvery: 1000, checkpointEvery: 1000, seed },
          },
          folder,
        );
        const losses = tasks.map((task) => result.after?.metrics[task] ?? Number.NaN);
        outcome[name] = {
          'worse task': Math.max(...losses),
          ...Object.fromEntries(tasks.map((task, index) => [task, losses[index] as number])),
        };
      }
      return outcome;
    },
  },
];

const given = process.argv.slice(2);
const seeds = given.filter((word) => /^\d+$/.test(word)).map(Number);
const chosen = parts.filter(({ name }) => given.includes(name) || !parts.some((part) => given.includes(part.name)));
for (const part of chosen) await report(part, seeds.length > 0 ? seeds : [1, 2, 3, 4, 5]);

/** A line for every variant and measure: its mean, and how far it is from the base. */
async function report({ name, base, run }: Part, over: readonly number[]): Promise<void> {
  const outcomes: Outcome[] = [];
  for (const seed of over) {
    const folder = mkdtempSync(join(tmpdir(), 'bench-transfer-'));
    const began = performance.now();
    try {
      outcomes.push(await run(seed, folder));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    process.stderr.write(
      `${name}, seed ${seed}: ${Math.round((performance.now() - began) / 1000)} s ${JSON.stringify(outcomes.at(-1))}\n`,
    );
  }
  console.log(
    `\n${name}, ${over.length} seeds\n\n| variant | measure | mean | against ${base} |\n| --- | --- | --- | --- |`,
  );
  for (const [variant, measures] of Object.entries(outcomes[0] ?? {})) {
    for (const measure of Object.keys(measures)) {
      const of = (what: string): number[] => outcomes.map((outcome) => outcome[what]?.[measure] ?? Number.NaN);
      const differences = of(variant).map((value, index) => value - (of(base)[index] as number));
      const cells = [variant, measure, written(of(variant)), variant === base ? '' : written(differences)];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
}

function written(values: readonly number[]): string {
  const { mean = 0, half = null } = spreadOf(values) ?? {};
  return half === null ? mean.toFixed(3) : `${mean.toFixed(3)} ± ${half.toFixed(3)}`;
}
