/**
 * `npm run bench:transfer`: whether what `packages/transfer` has does what it is for, on the bundled model over small tasks that
 * `transfer-tasks.ts` makes up. Each is compared with going without, seed by seed: the mean of the differences and its 95 % interval by
 * Student's t. An effect is there where the interval excludes 0.
 *
 *     npm run bench:transfer                       # everything, five seeds
 *     npm run bench:transfer -- domains 1 2        # one part, these seeds
 *     npm run bench:transfer -- --keep seeds.jsonl # what this file has is not run again, and each seed's outcome is added as it ends
 */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { lora } from '@tunesmith/lora';
import {
  continueRun,
  cutLayers,
  generateData,
  openModel,
  parseData,
  parseRecipe,
  type RunResult,
  runSequence,
  train,
} from '@tunesmith/runtime';
import { full } from '@tunesmith/selective';
import { dann, distillation, dwa, equalWeights, ewc, gradnorm, uncertainty } from '@tunesmith/transfer';
import { modelPath } from '@tunesmith/zoo';
import { createEngine, pluginRoots } from '../apps/cli/src/engine.js';
import { spreadOf } from '../packages/bench/src/report/spread.js';
import { writeSmallEncoder } from './small-encoder.js';
import { berths, cargoes, domains, domainWords, letters, type Rows, type Task } from './transfer-tasks.js';

const methods = [lora, full, ewc];
const objectives = [dann, distillation, dwa, equalWeights, gradnorm, uncertainty];
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

const trained = (value: Readonly<Record<string, unknown>>, folder: string): Promise<RunResult> =>
  train(parseRecipe({ value, where: folder }, methods, objectives), engine);

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
      const { source, target, validation } = domains(seed, 1000);
      write(folder, { source, target, validation });
      const model = join(folder, 'encoder');
      await writeSmallEncoder(model, domainWords, seed);
      const file = (name: string): string => join(folder, `${name}.jsonl`);
      const data = { train: file('source'), validation: file('validation'), maxLength: 16 };
      // Of the target's labels nothing is known until the last step, by which nothing is chosen.
      const trainer = { steps: 600, learningRate: 1e-3, evaluateEvery: 1000, checkpointEvery: 1000, seed };
      const accuracy = async (name: string, value: object): Promise<Record<string, number>> => {
        const shared = { model: { path: model }, method: 'full', output: join(folder, name) };
        const { after } = await trained({ ...shared, ...value }, folder);
        return { accuracy: after?.metrics.accuracy ?? Number.NaN };
      };
      const labels = ['good', 'bad'];
      return {
        'source alone': await accuracy('source-alone', {
          ...{ data, objective: { name: 'classification', labels }, trainer: { ...trainer, batchSize: 16 } },
        }),
        // Half of a batch is the target's.
        DANN: await accuracy('dann', {
          ...{ data: { ...data, target: file('target') }, objective: { name: 'dann', labels, lambda: 5 } },
          trainer: { ...trainer, batchSize: 32 },
        }),
      };
    },
  },
  {
    name: 'weights',
    base: 'equal-weights',
    async run(seed, folder) {
      writeTasks(folder, { cargoes: cargoes(seed, 256), berths: berths(seed, 16) });
      const tasks = ['cargoes', 'berths'];
      const outcome: Record<string, Record<string, number>> = {};
      for (const name of ['equal-weights', 'uncertainty', 'dwa', 'gradnorm']) {
        const result = await trained(
          {
            ...{ ...shared, method: 'lora', output: join(folder, name) },
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
  {
    name: 'distillation',
    base: 'small data alone',
    async run(seed, folder) {
      const { train: rows, validation } = cargoes(seed, 512 + 48, 100);
      const [few, asked] = [rows.slice(0, 48), rows.slice(48)];
      write(folder, { few, validation, asked: asked.map(({ prompt }) => ({ prompt })) });
      const file = (name: string): string => join(folder, `${name}.jsonl`);
      const data = { validation: file('validation'), maxLength: 64, promptLossWeight: 0 };
      const trainer = { learningRate: 1e-3, batchSize: 8, evaluateEvery: 1000, checkpointEvery: 1000, seed };
      const learn = (name: string, value: object) =>
        trained({ model: shared.model, method: 'full', output: join(folder, name), ...value }, folder);
      await learn('teacher', { data: { ...data, train: file('few') }, trainer: { ...trainer, steps: 60 } });
      const teacher = join(folder, 'teacher', 'model');
      await answers(teacher, file('asked'), file('taught'));
      const student = join(folder, 'student');
      await cutLayers(modelPath(), student, [0, 1], engine.families);
      const variants = {
        'small data alone': { data: { train: file('few') } },
        'on the teacher’s answers': { data: { train: [file('few'), file('taught')] } },
        'by its distributions too': {
          ...{ data: { train: [file('few'), file('taught')] }, objective: { name: 'distillation', teacher } },
        },
      };
      const outcome: Record<string, Record<string, number>> = {};
      for (const [name, { data: own, ...changes }] of Object.entries(variants)) {
        const value = { model: { path: student }, data: { ...data, ...own }, ...changes };
        const { after } = await learn(name, { ...value, trainer: { ...trainer, steps: 240 } });
        outcome[name] = { 'held-out loss': after?.loss ?? Number.NaN };
      }
      return outcome;
    },
  },
];

/** Has a model answer a file of prompts, by its likeliest tokens. */
async function answers(path: string, prompts: string, output: string): Promise<void> {
  const model = await openModel({
    model: { path, dtype: 'auto' },
    device: 'cpu',
    engine,
    lookup: { roots: pluginRoots() },
  });
  try {
    await generateData(model, {
      ...{ data: parseData({ train: prompts, format: 'prompt' }, 'benchmark'), output, adapters: [] },
      ...{
        cacheFolder: engine.cacheFolder,
        samples: 1,
        batchSize: 32,
        generation: { maxNewTokens: 40, temperature: 0 },
      },
    });
  } finally {
    model.dispose();
  }
}

const { values: options, positionals: given } = parseArgs({
  ...{ options: { keep: { type: 'string' } }, allowPositionals: true },
});
const seeds = given.filter((word) => /^\d+$/.test(word)).map(Number);
const chosen = parts.filter(({ name }) => given.includes(name) || !parts.some((part) => given.includes(part.name)));
for (const part of chosen) await report(part, seeds.length > 0 ? seeds : [1, 2, 3, 4, 5]);

/** A seed's outcome: the one that is kept, or that of a run. */
async function outcomeOf({ name, run }: Part, seed: number): Promise<Outcome> {
  const { keep } = options;
  const lines = keep !== undefined && existsSync(keep) ? readFileSync(keep, 'utf8').trim().split('\n') : [];
  const kept = lines.map((line) => JSON.parse(line)).find((line) => line.part === name && line.seed === seed);
  if (kept !== undefined) return kept.outcome;
  const folder = mkdtempSync(join(tmpdir(), 'bench-transfer-'));
  const began = performance.now();
  try {
    const outcome = await run(seed, folder);
    const line = JSON.stringify({ part: name, seed, outcome });
    process.stderr.write(`${Math.round((performance.now() - began) / 1000)} s ${line}\n`);
    if (keep !== undefined) appendFileSync(keep, `${line}\n`);
    return outcome;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A line for every variant and measure: its mean, and how far it is from the base. */
async function report(part: Part, over: readonly number[]): Promise<void> {
  const { name, base } = part;
  const outcomes: Outcome[] = [];
  for (const seed of over) outcomes.push(await outcomeOf(part, seed));
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
