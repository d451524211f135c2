/** Learning from pairs of answers with every method: what the reference is, and what is refused. */
import {
  type CheckpointStore,
  computePriors,
  createExecutableCache,
  fourBit,
  int8,
  type Method,
  type Objective,
  type Row,
  type RowSource,
  type TrainerCheckpoint,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { dpo, kto, orpo, reward, simpo } from '@tunesmith/rlhf-dpo';
import { bitfit, full } from '@tunesmith/selective';
import {
  relativeError,
  rowSource,
  type TinyModel,
  type TinyModelCase,
  tinyModel,
  tinyRows,
  tinyTrainer,
} from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { giveValues } from './give-values.js';
import { beside, inPlace } from './learners.js';
import { tinyBert, tinyGpt2, tinyLlama } from './tiny-families.js';
import { tinyPairs } from './tiny-pairs.js';

type TrainOptions = NonNullable<Parameters<typeof tinyTrainer>[1]>;

const [live, cached] = [dpo(), dpo({ reference: 'cached' })];

const prepare = (methods: readonly Method[], objective: Objective, family: TinyModelCase = tinyLlama) =>
  tinyModel({ ...family, objective }, methods, backends['onnx-cpu']());

async function priorsOf(tiny: TinyModel, rows: readonly Row[]): Promise<Float32Array[]> {
  const executables = createExecutableCache(tiny.backend, tiny.parameters.tensors);
  const collate = { rows: 4, maxLength: 16, padToken: 0 };
  const priors: Float32Array[] = [];
  for await (const each of computePriors(rows, { ...tiny, objective: cached, executables, collate })) priors.push(each);
  await executables.dispose();
  return priors;
}

async function train(tiny: TinyModel, rows: RowSource, options: TrainOptions = {}): Promise<Float32Array> {
  const trainer = await tinyTrainer(tiny, { rows, steps: 2, ...options });
  const losses: number[] = [];
  try {
    for await (const event of trainer.run()) if (event.type === 'step') losses.push(event.loss);
  } finally {
    await trainer.dispose();
  }
  return Float32Array.from(losses);
}

const rowsOf = (rows: readonly Row[], priors: readonly Float32Array[]): RowSource =>
  rowSource(rows.map((row, index) => ({ ...row, prior: priors[index] as Float32Array })));
const flat = (values: readonly Float32Array[]): Float32Array => Float32Array.from(values.flatMap((each) => [...each]));

describe('the reference', () => {
  const bases = [tinyLlama, tinyGpt2].map(async (family) => {
    const tiny = await prepare([lora({ rank: 2 })], cached, family);
    return priorsOf(tiny, tinyPairs(tiny));
  });
  const named = Object.entries({ ...beside, ...inPlace }).map(([name, method]) => ({
    name,
    method,
    family: tinyLlama,
  }));
  // Which has biases.
  const cases = [...named, { name: 'bitfit', method: () => bitfit(), family: tinyGpt2 }];

  it.each(cases)('is the checkpoint’s model under $name', async ({ name, method, family }) => {
    const tiny = await prepare([method()], cached, family);
    const rows = tinyPairs(tiny);
    const priors = await priorsOf(tiny, rows);
    expect(
      relativeError(flat(priors), flat(await (bases[Number(family !== tinyLlama)] as (typeof bases)[number]))),
    ).toBeLessThan(1e-6);
    const losses = await train(tiny, rowsOf(rows, priors));
    if (tiny.model.methods.every(({ capabilities }) => capabilities.identityAtInit)) {
      expect(losses[0]).toBeCloseTo(Math.LN2, 5);
    }
    const again = prepare([method()], live, family).then((other) => train(other, rowSource(rows)));
    if (name in inPlace) {
      await expect(again).rejects.toThrow(/CAPABILITY_MISSING.*reference: cached/);
      return;
    }
    expect(relativeError(await again, losses)).toBeLessThan(1e-5);
  });

  it('is the checkpoint’s model under a recomputed block, and over codes', async () => {
    const quantization = { codec: fourBit({ type: 'nf4' as const, blockSize: 16, doubleQuantization: true }) };
    for (const family of [tinyLlama, { ...tinyLlama, quantization }, tinyGpt2]) {
      const made = () => [lora({ rank: 2 })];
      const tiny = await prepare(made(), live, family);
      const rows = tinyPairs(tiny);
      const losses = await train(tiny, rowSource(rows));
      expect(losses[0]).toBe(Math.fround(Math.LN2));
      const recomputed = await train(await prepare(made(), live, family), rowSource(rows), {
        gradientCheckpointing: true,
      });
      expect(relativeError(recomputed, losses)).toBeLessThan(1e-6);
    }
  });
});

describe.each([
  ['NF4', fourBit({ type: 'nf4', blockSize: 16, doubleQuantization: true }), 1e-5],
  // What it multiplies is rounded too.
  ['int8', int8(), 0.02],
] as const)('over %s', (_, codec, tolerance) => {
  it.each([
    ['dpo', live],
    ['kto', kto()],
    ['orpo', orpo()],
  ] as const)('%s trains LoRA as over the values of the codes, which stay', async (_, objective) => {
    const made = (): Method[] => [lora({ rank: 2, targetModules: 'all-linear' })];
    const coded = await prepare(made(), objective, { ...tinyLlama, quantization: { codec } });
    const plain = await prepare(made(), objective);
    await giveValues(coded, plain);
    const encoded = coded.model.handles.filter((handle) => coded.parameters.encodingOf(handle) !== undefined);
    const codes = () => Promise.all(encoded.map((handle) => coded.parameters.readParts(handle)));
    const before = await codes();
    const rows =
      objective.name === 'kto'
        ? tinyRows(coded.model).map((row, index) => ({ ...row, labels: Float32Array.of(index % 2) }))
        : tinyPairs(coded);
    const losses = await train(coded, rowSource(rows), { steps: 3 });
    expect(relativeError(losses, await train(plain, rowSource(rows), { steps: 3 }))).toBeLessThan(tolerance);
    expect(encoded.length).toBe(14);
    expect(await codes()).toEqual(before);
  });
});

describe('pairs', () => {
  const method = () => lora({ rank: 2, dropout: 0.1 });

  // ORPO's likelihood has a normaliser of its own, and pairs of answers are of several lengths.
  it.each([live, orpo(), simpo({ nllWeight: 1 })])(
    'are one batch however it is divided, dropout and all: $name',
    async (objective) => {
      const run = async (batchSize: number, gradientAccumulation: number) => {
        const tiny = await prepare([method()], objective);
        return train(tiny, rowSource(tinyPairs(tiny)), { batchSize, gradientAccumulation, steps: 4 });
      };
      expect(relativeError(await run(2, 4), await run(8, 1))).toBeLessThan(1e-5);
    },
  );

  it.each([tinyLlama, tinyGpt2, tinyBert])('teach a reward model of the $family.name family', async (family) => {
    const run = async (batchSize: number, gradientAccumulation: number) => {
      const tiny = await prepare([method()], reward({ centering: 0.01 }), family);
      const rows = tinyPairs(tiny, 8).map((row, index) => ({ ...row, margin: index / 8 }));
      return train(tiny, rowSource(rows), { batchSize, gradientAccumulation, steps: 6 });
    };
    const whole = await run(8, 1);
    expect(whole[5]).toBeLessThan(whole[0] as number);
    expect(relativeError(await run(2, 4), whole)).toBeLessThan(1e-5);
  });

  it('go on from a checkpoint to the same bits', async () => {
    const saved: TrainerCheckpoint[] = [];
    const store: CheckpointStore = { save: async (checkpoint) => void saved.push(checkpoint) };
    const options = { gradientAccumulation: 2, batchSize: 2, steps: 6 };
    const tiny = await prepare([method()], live);
    const whole = await train(tiny, rowSource(tinyPairs(tiny)), { ...options, checkpoints: store });
    const other = await prepare([method()], live);
    const trainer = await tinyTrainer(other, { ...options, rows: rowSource(tinyPairs(other)) });
    await trainer.restore(saved[2] as TrainerCheckpoint);
    const rest: number[] = [];
    for await (const event of trainer.run()) if (event.type === 'step') rest.push(event.loss);
    await trainer.dispose();
    expect(Float32Array.from(rest)).toEqual(whole.slice(3));
    for (const handle of tiny.model.trained) {
      expect(await other.parameters.read(handle)).toEqual(await tiny.parameters.read(handle));
    }
  });

  it('are not packed, and a loss that sorts them is not accumulated', async () => {
    const tiny = await prepare([method()], dpo({ loss: 'aot' }));
    const rows = tinyPairs(tiny);
    const packed = rows.map((row) => ({ ...row, segments: new Int32Array(row.tokens.length).fill(1) }));
    await expect(train(tiny, rowSource(packed))).rejects.toThrow('pairs cannot be packed');
    const accumulated = train(await prepare([method()], dpo({ loss: 'aot' })), rowSource(rows), {
      gradientAccumulation: 2,
    });
    await expect(accumulated).rejects.toThrow(/"dpo" cannot accumulate gradients: its loss sorts the pairs/);
  });

  it('rated: may all be bad, and are neither accumulated nor trained in place', async () => {
    const rated = kto();
    const tiny = await prepare([lora({ rank: 2 })], rated);
    const rows = tinyRows(tiny.model).map((row) => ({ ...row, labels: Float32Array.of(0) }));
    // As long as the update is zero, the model is its reference.
    const losses = await train(tiny, rowSource(rows), { steps: 8 });
    expect(losses[0]).toBeCloseTo(0.5, 6);
    expect(losses[7]).toBeLessThan(0.499);
    await expect(train(await prepare([method()], rated), rowSource(rows), { gradientAccumulation: 2 })).rejects.toThrow(
      /"kto" cannot accumulate gradients: z0 is a mean/,
    );
    await expect(train(await prepare([full()], rated), rowSource(rows))).rejects.toThrow(/CAPABILITY_MISSING/);
  });

  it('need what they are compared with', async () => {
    const tiny = await prepare([method()], cached);
    await expect(train(tiny, rowSource(tinyPairs(tiny)))).rejects.toThrow(/no log-probabilities by the reference/);
    const answers = tinyRows(tiny.model);
    await expect(train(await prepare([method()], live), rowSource(answers))).rejects.toThrow('a row is no pair');
  });
});
