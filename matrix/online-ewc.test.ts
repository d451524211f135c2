/** Elastic weight consolidation over three tasks, each run knowing the one before by its checkpoint: as written out by hand. */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  type CheckpointStore,
  constantSchedule,
  createTrainer,
  type Method,
  type Row,
  sgd,
  type TrainerCheckpoint,
  type TrainerOptions,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { full } from '@tunesmith/selective';
import { rowSource, tinyModel, tinyRows } from '@tunesmith/testing';
import { ewc } from '@tunesmith/transfer';
import { expect, it } from 'vitest';
import { tinyLlama } from './tiny-families.js';

const [lambda, gamma, learningRate, steps] = [20, 0.5, 0.05, 3];
const consolidated = (): Method[] => [full(), ewc({ lambda, gamma, samples: 4 })];

type Values = ReadonlyMap<string, Float32Array>;

interface RunOptions
  extends Partial<Pick<TrainerOptions, 'earlier' | 'previous' | 'batchSize' | 'learningRate' | 'steps'>> {
  readonly methods: readonly Method[];
  /** What it begins with; the model as it is built if not said. */
  readonly from?: Values | undefined;
  readonly rows: readonly Row[];
  /** A checkpoint to go on from, and a step to stop at. */
  readonly checkpoint?: TrainerCheckpoint | undefined;
  readonly until?: number;
}

/** Trains by plain gradient descent; the newest checkpoint. */
async function trained({ methods, from, rows, checkpoint, until, ...options }: RunOptions): Promise<TrainerCheckpoint> {
  const tiny = await tinyModel(tinyLlama, methods, createOnnxBackend({ device: 'cpu' }));
  for (const handle of tiny.model.handles) {
    const values = from?.get(handle.key);
    if (values !== undefined) await tiny.parameters.write(handle, Float32Array.from(values));
  }
  let newest: TrainerCheckpoint | undefined;
  const store: CheckpointStore = {
    save: async (saved) => {
      newest = saved;
    },
  };
  const trainer = await createTrainer({
    ...{ ...tiny, rows: rowSource(rows), optimizer: sgd(), schedule: constantSchedule(), learningRate, weightDecay: 0 },
    ...{ batchSize: 2, steps, maxLength: 16, padToken: 0, seed: 3, checkpoints: { store, every: 1 }, ...options },
  });
  if (checkpoint !== undefined) await trainer.restore(checkpoint);
  const stop = new AbortController();
  for await (const event of trainer.run({ signal: stop.signal }))
    if (event.type === 'step' && event.step === until) stop.abort();
  await trainer.dispose();
  tiny.parameters.tensors.dispose();
  return newest as TrainerCheckpoint;
}

/** The tensors of a checkpoint whose names begin so, by the rest of their names. */
const tensorsOf = ({ tensors }: TrainerCheckpoint, prefix = 'parameter/'): Map<string, Float32Array> =>
  new Map(
    tensors
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name, data }) => [name.slice(prefix.length), Float32Array.from(data)]),
  );

/** The gradient of the mean loss of rows: what a step of rate 1 takes away. */
async function gradient(at: Values | undefined, rows: readonly Row[]): Promise<{ before: Values; gradient: Values }> {
  const options = { methods: [full()], from: at, rows, batchSize: rows.length, steps: 1 };
  const before = tensorsOf(await trained({ ...options, learningRate: 0 }));
  const after = tensorsOf(await trained({ ...options, learningRate: 1 }));
  const taken = combine(before, (value, key, index) => value - (after.get(key)?.[index] as number));
  return { before, gradient: taken };
}

function combine(values: Values, each: (value: number, key: string, index: number) => number): Values {
  return new Map([...values].map(([key, of]) => [key, of.map((value, index) => each(value, key, index))]));
}

async function tasks(): Promise<Row[][]> {
  const tiny = await tinyModel(tinyLlama, [full()], createOnnxBackend({ device: 'cpu' }));
  const rows = tinyRows(tiny.model, 3 * 2 * steps);
  tiny.parameters.tensors.dispose();
  return [0, 1, 2].map((task) => rows.slice(task * 2 * steps, (task + 1) * 2 * steps));
}

/** θ and F after each task, by the formulas. */
async function byHand(all: readonly Row[][]): Promise<{ theta: Values; fisher: Values }[]> {
  const found: { theta: Values; fisher: Values }[] = [];
  for (const [task, rows] of all.entries()) {
    let theta = found.at(-1)?.theta ?? (await gradient(undefined, rows.slice(0, 1))).before;
    const carried = found.at(-1)?.fisher;
    let fisher = combine(theta, (_, key, index) => gamma * (carried?.get(key)?.[index] ?? 0));
    for (const row of all[task - 1]?.slice(0, 4) ?? []) {
      const { gradient: own } = await gradient(theta, [row]);
      fisher = combine(fisher, (value, key, index) => value + (own.get(key)?.[index] as number) ** 2 / 4);
    }
    const anchor = theta;
    for (let step = 0; step < steps; step++) {
      const { gradient: own } = await gradient(theta, rows.slice(2 * step, 2 * step + 2));
      theta = combine(theta, (value, key, index) => {
        const [at, f, g] = [anchor, fisher, own].map((of) => of.get(key)?.[index] as number) as [
          number,
          number,
          number,
        ];
        return value - learningRate * (g + lambda * f * (value - at));
      });
    }
    found.push({ theta, fisher });
  }
  return found;
}

const noRows = { length: 0, async *read() {} };

/** The options of each task's run, which goes on from the checkpoint of the one before. */
function runOf(all: readonly Row[][], task: number, before: TrainerCheckpoint | undefined): RunOptions {
  const kept = before && tensorsOf(before);
  return {
    ...{ methods: consolidated(), rows: all[task] as Row[], from: kept },
    earlier: task === 0 ? noRows : rowSource(all[task - 1] as Row[]),
    ...(kept && { previous: async (name: string) => kept.get(name.replace('parameter/', '')) }),
  };
}

function expectClose(actual: Values, expected: Values, what: string): void {
  for (const [key, values] of expected) {
    const largest = Math.max(...values.map(Math.abs), 1e-6);
    const off = Math.max(...values.map((value, index) => Math.abs(value - (actual.get(key)?.[index] ?? Number.NaN))));
    expect(off / largest, `${what} of ${key}`).toBeLessThan(2e-3);
  }
}

it('carries F on by γ over three tasks, about the newest weights, and resumes to the same bits', async () => {
  const all = await tasks();
  const expected = await byHand(all);
  let newest: TrainerCheckpoint | undefined;
  for (const [task, { theta, fisher }] of expected.entries()) {
    const options = runOf(all, task, newest);
    const whole = await trained(options);
    const own = tensorsOf(whole);
    expectClose(own, theta, `task ${task + 1}, θ`);
    const kept = new Map([...fisher.keys()].map((key) => [key, own.get(`ewc/base/${key}.fisher`) as Float32Array]));
    expectClose(kept, fisher, `task ${task + 1}, F`);
    if (task === 2) {
      const part = await trained({ ...options, until: 1 });
      expect(part.step).toBe(1);
      expect(tensorsOf(await trained({ ...options, checkpoint: part }))).toEqual(own);
    }
    newest = whole;
  }
}, 120_000);

it('goes on with nothing of values that start anew in every run, nor of a run that kept nothing', async () => {
  const [rows = []] = await tasks();
  const options = { rows, earlier: rowSource(rows), previous: async () => undefined };
  await expect(trained({ ...options, methods: [lora({ rank: 2 }), ewc({ samples: 2 })] })).rejects.toThrow(
    'what the run before knew is of other values than these',
  );
  await expect(trained({ ...options, methods: consolidated() })).rejects.toThrow(
    'the run before kept nothing for ewc to go on with',
  );
});
