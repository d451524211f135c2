/** Runs in parts: what is trained changes, and nothing else does. */
import {
  adamw,
  type Handle,
  type Method,
  type Stage,
  type TrainerCheckpoint,
  type TrainerEvent,
  tf,
  zeros,
} from '@tunesmith/core';
import { relativeError, type TinyModel, tinyModel, tinyRows, tinyTrainer } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { tinyLlama } from './tiny-families.js';

const last = 'model.layers.1.mlp.down_proj.weight';
const first = 'model.layers.0.mlp.down_proj.weight';

/** The last layer alone for two steps, then both; or the first alone again. */
function unfreezing(second: readonly string[] = [first, last]): Method {
  return {
    name: 'unfreezing',
    apiVersion: 1,
    config: {},
    capabilities: { mergeable: false, identityAtInit: true, trainsBase: true },
    stages: () => [
      { name: 'top', run: 'train', length: 2 },
      { name: 'all', run: 'train', enter: async ({ memory }) => ({ memory: { before: memory } }) },
    ],
    patchModel(patcher) {
      const chosen = patcher.stage?.name === 'all' ? second : [last];
      patcher.train(({ path }) => chosen.includes(path));
      // What a stage declares goes with it.
      if (patcher.stage?.name === 'all') patcher.buffer('new', { shape: [2], init: zeros });
    },
  };
}

async function make(method: Method, seed = 1): Promise<TinyModel> {
  return tinyModel(tinyLlama, [method], await backends['onnx-cpu'](), seed);
}

async function run(
  tiny: TinyModel,
  options: Parameters<typeof tinyTrainer>[1] = {},
  from?: TrainerCheckpoint,
): Promise<TrainerEvent[]> {
  const trainer = await tinyTrainer(tiny, { steps: 5, ...options });
  if (from !== undefined) await trainer.restore(from);
  const events: TrainerEvent[] = [];
  for await (const event of trainer.run()) events.push(event);
  await trainer.dispose();
  return events;
}

function read({ model, parameters }: TinyModel, path: string): Promise<Float32Array> {
  return parameters.read(model.handles.find((handle) => handle.path === path) as Handle);
}

/** A method without stages. */
function training(paths: readonly string[]): Method {
  const { stages: _, ...method } = unfreezing();
  return { ...method, patchModel: (patcher) => void patcher.train(({ path }) => paths.includes(path)) };
}

/** The checkpoint of every step of a run with plain AdamW. */
async function checkpoints(
  method: Method,
  learningRate = 0,
  options: Parameters<typeof tinyTrainer>[1] = {},
): Promise<TrainerCheckpoint[]> {
  const saved: TrainerCheckpoint[] = [];
  const save = async (checkpoint: TrainerCheckpoint): Promise<void> => void saved.push(structuredClone(checkpoint));
  await run(await make(method), { ...options, learningRate, optimizer: adamw(), checkpoints: { save } });
  return saved;
}

function tensorOf(checkpoint: TrainerCheckpoint | undefined, name: string): Float32Array {
  return checkpoint?.tensors.find((tensor) => tensor.name === name)?.data as Float32Array;
}

const losses = (events: readonly TrainerEvent[]): number[] =>
  events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));

describe('stages', () => {
  it('train what they name, one after another, and say when they begin', async () => {
    const tiny = await make(unfreezing());
    const [before, beforeLast] = [await read(tiny, first), await read(tiny, last)];
    const events = await run(tiny, { steps: 2 });
    expect(await read(tiny, first)).toEqual(before);
    expect(relativeError(await read(tiny, last), beforeLast)).toBeGreaterThan(0);
    expect(events.filter(({ type }) => type === 'stage')).toMatchObject([{ name: 'top', step: 0 }]);

    const whole = await make(unfreezing());
    const all = await run(whole);
    expect(all.filter(({ type }) => type === 'stage')).toMatchObject([
      { name: 'top', step: 0, trainedParameters: 16 * 24 },
      { name: 'all', step: 2, trainedParameters: 2 * 16 * 24 },
    ]);
    expect(relativeError(await read(whole, first), before)).toBeGreaterThan(0);
    expect(whole.model.stage).toEqual({ name: 'all', memory: { before: null }, moved: [last] });
  });

  it('keep the optimizer state of what goes on, and count the updates of what begins from one', async () => {
    const [staged, whole] = [await checkpoints(unfreezing()), await checkpoints(training([last]))];
    // At a rate of zero the gradients are those of a run that trained the same throughout.
    for (const [index, checkpoint] of staged.entries()) {
      for (const slot of ['mean', 'variance']) {
        const name = `optimizer/${slot}/${last}`;
        const expected = tensorOf(whole[index], name);
        expect(relativeError(tensorOf(checkpoint, name), expected), `${name} ${index}`).toBeLessThan(1e-6);
      }
    }
    const moving = await checkpoints(unfreezing(), 1e-2);
    const base = await read(await make(unfreezing()), first);
    const steps = tensorOf(moving[2], `parameter/${first}`).map((value, index) =>
      Math.abs(value - (base[index] as number)),
    );
    // Adam's first corrected step is the rate itself, whatever the gradient.
    const middle = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] as number;
    expect(middle).toBeGreaterThan(0.95e-2);
    expect(middle).toBeLessThan(1.05e-2);
  });

  it('choose no best checkpoint and end no run where they are preliminary', async () => {
    const watch = async (preliminary: boolean) => {
      const { stages, ...method } = unfreezing();
      const divided: Method = {
        ...method,
        stages: (...of) =>
          (stages?.(...of) ?? []).map((stage) => ({ ...stage, preliminary: preliminary && stage.name === 'top' })),
      };
      // Best before the second stage, and in it at step 4.
      const values = [1, 2, 4, 3, 3];
      const tiny = await make(divided);
      const best: number[] = [];
      const events = await run(tiny, {
        evaluation: {
          every: 1,
          rows: () => tinyRows(tiny.model, 1),
          best: 'mine',
          measure: async (step) => ({ mine: values[step - 1] as number }),
          earlyStopping: { patience: 2 },
        },
        checkpoints: { save: async ({ step }, options) => void (options.best && best.push(step)) },
      });
      return { events, best, end: events.at(-1) };
    };
    const [plain, own] = [await watch(false), await watch(true)];
    expect(plain).toMatchObject({ best: [1], end: { step: 3, reason: 'earlyStopping' } });
    expect(own).toMatchObject({ best: [3, 4], end: { step: 5, reason: 'finished' } });
    const marked = own.events.flatMap((event) => (event.type === 'evaluate' ? [event.best] : []));
    expect(marked).toEqual([false, false, true, true, false]);
  });

  it.each([1, 2, 3, 4])('resume to the same bits from step %i', async (step) => {
    for (const second of [[first, last], [first]]) {
      const whole = await make(unfreezing(second));
      let saved: TrainerCheckpoint | undefined;
      const save = async (checkpoint: TrainerCheckpoint): Promise<void> => {
        if (checkpoint.step === step) saved = structuredClone(checkpoint);
      };
      const expected = await run(whole, { checkpoints: { save }, gradientAccumulation: 2, batchSize: 2 });
      const resumed = await make(unfreezing(second), 9);
      const events = await run(resumed, { gradientAccumulation: 2, batchSize: 2 }, saved);
      expect(losses(events)).toEqual(losses(expected).slice(step));
      for (const path of [first, last]) expect(await read(resumed, path), path).toEqual(await read(whole, path));
    }
  });

  it('fold the gradients of single rows, and hand on what they found', async () => {
    const sums = new Map<string, Float32Array>();
    const stages: Stage[] = [
      { name: 'look', run: 'gradients', length: 3 },
      {
        name: 'train',
        run: 'train',
        enter: async ({ handles, read: value }) => {
          const sum = await value(handles.find(({ path }) => path === 'squares') as Handle);
          sums.set('seen', sum);
          return { values: new Map([['found', sum]]), memory: sum.length };
        },
      },
    ];
    const looking: Method = {
      ...unfreezing(),
      stages: () => stages,
      patchModel(patcher) {
        const [handle] = patcher.train(({ path }) => path === last) as [Handle];
        if (patcher.stage?.name !== 'look') {
          patcher.buffer('found', { shape: handle.shape, init: zeros });
          return;
        }
        const squares = patcher.buffer('squares', { shape: handle.shape, init: zeros });
        return { fold: (u) => new Map([[squares, tf.add(u.value(squares), tf.square(u.gradient(handle)))]]) };
      },
    };
    const tiny = await make(looking);
    const before = await read(tiny, last);
    const events = await run(tiny, { steps: 1, learningRate: 0 });
    expect(events.map((event) => (event.type === 'stage' ? event.name : event.type))).toEqual([
      'start',
      'look',
      'train',
      'step',
      'end',
    ]);
    expect(await read(tiny, last)).toEqual(before);
    expect(await read(tiny, 'found')).toEqual(sums.get('seen'));
    // Adam's mean over steps of one row each: m ← 0.9·m + 0.1·g.
    const single = await checkpoints(training([last]), 0, { batchSize: 1, steps: 3 });
    const means = single.map((checkpoint) => tensorOf(checkpoint, `optimizer/mean/${last}`));
    const expected = before.map((_, at) =>
      means.reduce((sum, mean, index) => {
        const earlier = means[index - 1]?.[at] ?? 0;
        return sum + (((mean[at] as number) - 0.9 * earlier) / 0.1) ** 2;
      }, 0),
    );
    expect(relativeError(sums.get('seen') as Float32Array, expected)).toBeLessThan(1e-4);
  });

  it('belong to one method of a recipe', async () => {
    const other = { ...unfreezing(), name: 'other' };
    await expect(tinyModel(tinyLlama, [unfreezing(), other], await backends['onnx-cpu']())).rejects.toThrow(
      'two methods divide the run',
    );
  });
});
