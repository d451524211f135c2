/** The trainer's promises, on the compiled engine: accumulation, evaluation, stopping, divergence. */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import {
  adamw,
  type Backend,
  chain,
  clipByGlobalNorm,
  constantSchedule,
  createTrainer,
  type EvaluateEvent,
  type Row,
  sft,
  type TrainerCheckpoint,
  type TrainerEvent,
  type TrainerOptions,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { rowSource, type TinyModel, tinyModel, tinyRows } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { tinyLlama } from './tiny-families.js';

/** LoRA on the head too, where logits are made for weighted positions only. */
async function prepare(dropout = 0, backend: Backend = createOnnxBackend({ device: 'cpu' })): Promise<TinyModel> {
  const method = lora({ rank: 2, alpha: 4, dropout, targetModules: ['q_proj', 'v_proj', 'down_proj', 'lm_head'] });
  return tinyModel(tinyLlama, [method], backend);
}

async function run(tiny: TinyModel, options: Partial<TrainerOptions>, signal?: AbortSignal): Promise<TrainerEvent[]> {
  const trainer = await createTrainer({
    ...tiny,
    objective: sft,
    optimizer: chain(clipByGlobalNorm(1), adamw()),
    schedule: constantSchedule(),
    learningRate: 1e-2,
    weightDecay: 0.01,
    rows: rowSource(tinyRows(tiny.model, 160)),
    batchSize: 4,
    steps: 6,
    maxLength: 16,
    padToken: 0,
    seed: 3,
    ...options,
  });
  const events: TrainerEvent[] = [];
  try {
    for await (const event of trainer.run(signal === undefined ? {} : { signal })) events.push(event);
  } finally {
    await trainer.dispose();
  }
  return events;
}

const ofType = <Type extends TrainerEvent['type']>(events: TrainerEvent[], type: Type) =>
  events.filter((event): event is Extract<TrainerEvent, { type: Type }> => event.type === type);
const losses = (events: TrainerEvent[]): number[] => ofType(events, 'step').map(({ loss }) => loss);

describe('accumulation', () => {
  it('equals the big batch over 20 AdamW steps with dropout: 8×1 = 4×2 = 1×8', async () => {
    const [whole, halves, singles] = (await Promise.all(
      [
        [8, 1],
        [4, 2],
        [1, 8],
      ].map(async ([batchSize, gradientAccumulation]) =>
        losses(
          await run(await prepare(0.2), {
            batchSize: batchSize as number,
            gradientAccumulation: gradientAccumulation as number,
            steps: 20,
          }),
        ),
      ),
    )) as [number[], number[], number[]];
    for (const [step, loss] of whole.entries()) {
      expect(Math.abs((halves[step] as number) / loss - 1), `4×2, step ${step}`).toBeLessThan(1e-5);
      expect(Math.abs((singles[step] as number) / loss - 1), `1×8, step ${step}`).toBeLessThan(1e-5);
    }
    expect(losses(await run(await prepare(0), { batchSize: 8, steps: 3 }))).not.toEqual(whole.slice(0, 3));
  });
});

describe('packing', () => {
  it('gives each example the loss it has alone', async () => {
    const tiny = await prepare();
    const rows = tinyRows(tiny.model, 4, 5);
    const join = (pick: (row: Row, index: number) => ArrayLike<number>): number[] =>
      rows.flatMap((row, index) => Array.from(pick(row, index)));
    const packed: Row = {
      tokens: Int32Array.from(join(({ tokens }) => tokens)),
      weights: Float32Array.from(join(({ weights }) => weights)),
      positions: Int32Array.from(join(({ tokens }) => tokens.map((_, position) => position))),
      segments: Int32Array.from(join(({ tokens }, index) => tokens.map(() => index + 1))),
    };
    const lossOf = async (row: Row): Promise<number> => {
      const evaluation = { every: 1, rows: () => [row] };
      const [event] = ofType(
        await run(await prepare(), { steps: 1, maxLength: 32, learningRate: 0, evaluation }),
        'evaluate',
      );
      return (event as EvaluateEvent).loss;
    };
    for (const [index, row] of rows.entries()) {
      // Of the packed row, this example alone weighs anything.
      const own = packed.weights.map((weight, at) => (packed.segments?.[at] === index + 1 ? weight : 0));
      const [together, alone] = [await lossOf({ ...packed, weights: own }), await lossOf(row)];
      expect(Math.abs(together / alone - 1), `example ${index}`).toBeLessThan(1e-5);
    }
  });
});

describe('evaluation', () => {
  it('stops early when nothing improves, and marks the best', async () => {
    const checkpoints: { step: number; best: boolean }[] = [];
    const values = [3, 2, 2.5, 2.4, 1];
    const events = await run(await prepare(), {
      steps: 50,
      evaluation: {
        every: 2,
        rows: () => tinyRows(tinyRowsModel, 2),
        best: 'mine',
        measure: async (step) => ({ mine: values[step / 2 - 1] as number }),
        sample: async () => [{ prompt: 'a', text: 'b' }],
        earlyStopping: { patience: 2 },
      },
      checkpoints: { every: 100, store: { save: async ({ step }, { best }) => void checkpoints.push({ step, best }) } },
    });
    expect(ofType(events, 'evaluate').map(({ best }) => best)).toEqual([true, true, false, false]);
    expect(ofType(events, 'evaluate')[0]?.samples).toEqual([{ prompt: 'a', text: 'b' }]);
    expect(events.at(-1)).toEqual({ type: 'end', step: 8, reason: 'earlyStopping' });
    expect(checkpoints).toEqual([
      { step: 2, best: true },
      { step: 4, best: true },
      { step: 8, best: false },
    ]);
  });
});

/** Only its vocabulary matters to random rows. */
const tinyRowsModel = { shape: { vocabularySize: 48 }, head: { labels: 0 } } as TinyModel['model'];

describe('stopping', () => {
  it('ends after the step in hand with a checkpoint when aborted', async () => {
    const controller = new AbortController();
    const saved: TrainerCheckpoint[] = [];
    const tiny = await prepare();
    const events = await run(
      tiny,
      {
        steps: 50,
        rows: {
          async *read(position) {
            for await (const read of rowSource(tinyRows(tiny.model)).read(position)) {
              if (read.position === 12) controller.abort();
              yield read;
            }
          },
        },
        checkpoints: { every: 100, store: { save: async (checkpoint) => void saved.push(checkpoint) } },
      },
      controller.signal,
    );
    expect(events.at(-1)).toEqual({ type: 'end', step: 3, reason: 'aborted' });
    expect(saved.map(({ step }) => step)).toEqual([3]);
  });

  it('lets timers run between steps, for who only counts events', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const turnsAt: number[] = [];
    // The eager engine, on whose CPU nothing that a step awaits leaves the thread to others.
    const tiny = await prepare(0, await createTfjsBackend({ prefer: 'cpu' }));
    await run(tiny, {
      steps: 6,
      rows: {
        async *read(position) {
          for await (const read of rowSource(tinyRows(tiny.model)).read(position)) {
            turnsAt.push(turns);
            yield read;
          }
        },
      },
    });
    clearInterval(timer);
    // Rows of a step are read after the step before it: four rows a step.
    const perStep = Array.from({ length: 6 }, (_, step) => turnsAt[4 * step] as number);
    for (const [step, at] of perStep.entries()) if (step > 0) expect(at).toBeGreaterThan(perStep[step - 1] as number);
  });

  it('is watched by the gradient norm, whether or not the optimizer observes it', async () => {
    const norms = async (optimizer: TrainerOptions['optimizer']): Promise<number[]> =>
      ofType(await run(await prepare(), { optimizer, steps: 2 }), 'step').map(({ gradientNorm }) => gradientNorm);
    const clipped = await norms(chain(clipByGlobalNorm(1e6), adamw()));
    expect(clipped.every((norm) => norm > 0)).toBe(true);
    expect(await norms(adamw())).toEqual(clipped);
  });

  it('stops at a loss that is no number, with the step and the last checkpoint', async () => {
    const tiny = await prepare();
    const poisoned = tinyRows(tiny.model).map((row, index) =>
      index === 9 ? { ...row, weights: row.weights.map(() => Number.NaN) } : row,
    );
    // A NaN weight fails the batch's normaliser: the engine says so before it runs the step.
    await expect(run(tiny, { rows: rowSource(poisoned) })).rejects.toThrow(/no token of the batch/);

    const broken = await prepare();
    const [handle] = broken.model.trained;
    await broken.parameters.write(handle as never, (await broken.parameters.read(handle as never)).fill(Number.NaN));
    await expect(run(broken, {})).rejects.toThrow(/DIVERGED at step 1: the loss is not a number.*No checkpoint/s);
  });
});
