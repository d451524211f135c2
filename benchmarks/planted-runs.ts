/**
 * `npx tsx benchmarks/planted-runs.ts`: short runs of the bundled model, each with one thing wrong on purpose or nothing, for
 * `tunesmith runs explain` to be held to. What is wrong is decided by how a run is made, before it runs. Of the metrics it
 * keeps what the rules read, four digits of each number, a run a line, in benchmarks/planted-runs.jsonl; runs that are there
 * already are not made again.
 */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { offlineTasks, type TaskSplits } from '@tunesmith/bench';
import { createRandom, type TrainerEvent, TunesmithError } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { parseRecipe, train } from '@tunesmith/runtime';
import { modelPath, quickstartFiles } from '@tunesmith/zoo';
import { createEngine } from '../apps/cli/src/engine.js';
import { type PlantedRun, plantedRuns } from './planted-cases.js';

const output = fileURLToPath(new URL('./planted-runs.jsonl', import.meta.url));
/** Only runs whose names hold one of these. */
const only = process.argv.slice(2);

const recorded = new Set(
  existsSync(output)
    ? readFileSync(output, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { name: string }).name)
    : [],
);
const engine = createEngine({ methods: [lora], threads: 1 });
for (const planted of plantedRuns) {
  if (recorded.has(planted.name) || (only.length > 0 && !only.some((part) => planted.name.includes(part)))) continue;
  const { events, seconds } = await record(planted);
  appendFileSync(
    output,
    `${JSON.stringify({ name: planted.name, planted: planted.planted, seed: planted.seed, ...compact(events) })}\n`,
  );
  process.stderr.write(`${planted.name}: ${seconds.toFixed(0)} s\n`);
}

async function record(run: PlantedRun): Promise<{ events: TrainerEvent[]; seconds: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'planted-'));
  const began = performance.now();
  const events: TrainerEvent[] = [];
  try {
    const { training, validation } = rowsOf(run);
    const files = { train: join(folder, 'train.jsonl'), validation: join(folder, 'validation.jsonl') };
    for (const [name, rows] of [
      ['train', training],
      ['validation', validation],
    ] as const) {
      writeFileSync(files[name], rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    }
    const value = {
      model: { path: modelPath() },
      data: { ...files, maxLength: 48, promptLossWeight: 0, format: 'messages' },
      method: 'lora',
      lora: { rank: 8, alpha: 16, targetModules: 'all-linear' },
      trainer: {
        steps: run.steps,
        batchSize: run.batchSize,
        learningRate: run.learningRate,
        schedule: { name: run.schedule, warmup: 0.05 },
        evaluateEvery: Math.max(1, Math.round(run.steps / 10)),
        checkpointEvery: 1e6,
        seed: run.seed,
      },
      output: join(folder, 'run'),
    };
    const recipe = parseRecipe({ value, where: run.name }, engine.methods);
    await train(recipe, engine, { sinks: [{ write: (event) => void events.push(event) }] });
  } catch (error) {
    if (!(TunesmithError.isInstance(error) && error.code === 'DIVERGED')) throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { events, seconds: (performance.now() - began) / 1000 };
}

/** So many rows of the task, chosen by the seed, and rows that are held out. */
function rowsOf({ task, rows, seed }: PlantedRun): { training: unknown[]; validation: unknown[] } {
  const lines = (path: string): unknown[] =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  const { training: notes, heldOut } = quickstartFiles();
  const splits =
    task === 'notes'
      ? { train: lines(notes), validation: lines(heldOut) }
      : (offlineTasks.find(({ name }) => name === 'exercises')?.rows({} as never) as TaskSplits);
  return {
    training: createRandom(seed, 'planted', task).sample(splits.train.slice(0, 2000), rows),
    validation: splits.validation.slice(0, 24),
  };
}

/** What the rules read of a run's events. */
function compact(events: readonly TrainerEvent[]): Record<string, unknown> {
  const short = (value: number): number => Number(value.toPrecision(4));
  const steps = events.filter((event) => event.type === 'step');
  const evaluations = events.filter((event) => event.type === 'evaluate');
  return {
    steps: events.find((event) => event.type === 'start')?.steps,
    ended: events.some((event) => event.type === 'end'),
    rows: steps[0]?.rows,
    loss: steps.map(({ loss }) => short(loss)),
    gradientNorm: steps.map(({ gradientNorm }) => short(gradientNorm)),
    learningRate: steps.map(({ learningRate }) => short(learningRate)),
    tokens: steps.map(({ tokens }) => tokens),
    evaluations: evaluations.map(({ step, loss }) => [step, short(loss)]),
  };
}
