import '@tensorflow/tfjs-backend-cpu';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Backend, elementCount, type MethodFactory, type TrainingEstimate } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { promptTuning } from '@tunesmith/prefix';
import {
  describeModel,
  type Engine,
  parseRecipe,
  planRecipe,
  type RunPlan,
  resolveRecipe,
  train,
} from '@tunesmith/runtime';
import { fishMask, full, gradualUnfreezing } from '@tunesmith/selective';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from './engine.js';
import { writeTinyModel } from './fixtures/tiny-model.js';

const methods: readonly MethodFactory[] = [lora, promptTuning, full, fishMask, gradualUnfreezing];

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-plan-'));
  await writeTinyModel(join(home, 'model'));
  // Of 5 to 60 tokens: batches of several shapes.
  const lines = Array.from({ length: 24 }, (_, index) => {
    const prompt = `${index}: `.padEnd(4 + ((index * 11) % 50), '-');
    return JSON.stringify({ prompt, completion: `${index % 10}.` });
  });
  await writeFile(join(home, 'data.jsonl'), `${lines.join('\n')}\n`);
});
afterAll(() => rm(home, { recursive: true, force: true }));

interface Course {
  /** Programs in the order in which they are first met. */
  readonly programs: readonly string[];
  /** The most that are compiled at a time. */
  readonly most: number;
}

interface Settings {
  readonly data?: object;
  readonly [key: string]: unknown;
}

/** What a recipe's run compiles, beside its plan. */
async function planAndTrain(
  method: string,
  { data = {}, ...settings }: Settings,
): Promise<{ plan: RunPlan; planned: string[]; run: Course }> {
  const engine = createEngine({ methods, cacheFolder: join(home, 'cache') });
  const document = {
    model: { path: join(home, 'model') },
    data: { train: join(home, 'data.jsonl'), validation: 0.25, ...data },
    ...{ method, ...settings },
  };
  const recipe = await resolveRecipe(parseRecipe({ value: document as never, where: 'recipe' }, methods), engine);
  const planned: string[] = [];
  const plan = await planRecipe(recipe, estimatesTo(engine, planned));
  const watched = compilesOf(engine);
  await train({ ...recipe, output: await mkdtemp(join(home, 'run-')) }, watched.engine);
  return { plan, planned, run: watched.course() };
}

function estimatesTo(engine: Engine, names: string[]): Engine {
  return withBackend(engine, (backend) => ({
    ...backend,
    estimate(program, stored) {
      names.push(program.name);
      return (backend.estimate as NonNullable<Backend['estimate']>)(program, stored);
    },
  }));
}

function compilesOf(engine: Engine): { engine: Engine; course(): Course } {
  const names = new Set<string>();
  let now = 0;
  let most = 0;
  return {
    course: () => ({ programs: [...names], most }),
    engine: withBackend(engine, (backend) => ({
      ...backend,
      async compile(program, store) {
        names.add(program.name);
        const executable = await backend.compile(program, store);
        most = Math.max(most, ++now);
        const dispose = (): Promise<void> => {
          now--;
          return executable.dispose();
        };
        return { info: executable.info, run: (inputs, options) => executable.run(inputs, options), dispose };
      },
    })),
  };
}

function withBackend(engine: Engine, change: (backend: Backend) => Backend): Engine {
  return { ...engine, createBackend: async (device) => change(await engine.createBackend(device)) };
}

const trainer = { steps: 9, batchSize: 2, evaluateEvery: 3, samplePrompts: ['1: '], sampleTokens: 3 };

describe('a plan', () => {
  it.each<[string, Settings]>([
    ['lora', { trainer: { ...trainer, gradientAccumulation: 2, gradientCheckpointing: true } }],
    ['prompt-tuning', { 'prompt-tuning': { virtualTokens: 3 }, trainer }],
    ['gradual-unfreezing', { 'gradual-unfreezing': { every: 'even' }, trainer }],
    ['fish-mask', { 'fish-mask': { samples: 4 }, data: { packing: true }, trainer }],
  ])('of %s meets the programs that the run compiles, as many at a time', async (method, settings) => {
    const { plan, planned, run } = await planAndTrain(method, settings);
    expect(new Set(planned)).toEqual(new Set(run.programs));
    const { programs, optimizerBytes } = plan.estimate as TrainingEstimate;
    expect(programs).toBe(run.most);
    // AdamW's two moments of all that trains in the end. How much a pass over gradients chooses is not known before it.
    expect(optimizerBytes / (8 * plan.trainedParameters)).toBeCloseTo(1, 1);
  });

  it('of a quantised base counts what is kept of it, and meets the programs that the run compiles', async () => {
    const model = { path: join(home, 'model'), dtype: 'float32' };
    const plain = await planAndTrain('lora', { model, trainer });
    const quantization = { blockSize: 16, doubleQuantization: false, exclude: ['down_proj'] };
    const { plan, planned, run } = await planAndTrain('lora', { model: { ...model, quantization }, trainer });
    expect(new Set(planned)).toEqual(new Set(run.programs));
    const config = JSON.parse(await readFile(join(home, 'model/config.json'), 'utf8'));
    const { handles } = describeModel(config, 'model', createEngine({ methods }).families);
    const values = handles
      .filter(({ path, depth, shape }) => depth !== null && shape.length === 2 && !path.includes('down_proj'))
      .reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const weightBytes = ({ estimate }: RunPlan): number => (estimate as TrainingEstimate).weightBytes;
    // A value has 4 bits, and a block of 16 of them 32 more.
    expect(weightBytes(plain.plan) - weightBytes(plan)).toBe(values * (4 - 4 / 8 - 4 / 16));
    expect(plain.plan.saving).toBeNull();
    expect(plan.saving).toEqual({ values, checkpointBytes: 4 * values, keptBytes: values * (4 / 8 + 4 / 16) });
  });

  it('says what the run would take over the base in other forms, and which fit', async () => {
    const engine = createEngine({ methods, cacheFolder: join(home, 'cache') });
    const planOf = async (method: string, form: object): Promise<RunPlan> => {
      const model = { path: join(home, 'model'), ...form };
      const value = { model, data: { train: join(home, 'data.jsonl') }, method, trainer: { steps: 2 } };
      return planRecipe(
        await resolveRecipe(parseRecipe({ value: value as never, where: 'recipe' }, methods), engine),
        engine,
      );
    };
    const plan = await planOf('lora', { dtype: 'float32' });
    expect(plan.bases.map(({ name, chosen }) => ({ name, chosen }))).toEqual([
      { name: 'float32', chosen: true },
      { name: 'float16', chosen: false },
      { name: 'int8', chosen: false },
      { name: 'nf4', chosen: false },
    ]);
    for (const { fits, peakBytes } of plan.bases) expect(fits).toBe(peakBytes <= plan.memoryBytes);
    // Each is what a recipe for it plans.
    const { estimate } = await planOf('lora', { quantization: {} });
    const { weightBytes, peakBytes } = estimate as TrainingEstimate;
    expect(plan.bases.at(-1)).toMatchObject({ weightBytes, peakBytes });
    // What a method cannot train over is not offered.
    const { bases } = await planOf('full', {});
    expect(bases.map(({ name }) => name)).toEqual(['float32', 'float16']);
  });
});
