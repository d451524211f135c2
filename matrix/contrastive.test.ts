/** Embedders: every method over an encoder and a decoder, what a batch's filling is worth, and both engines. */
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import {
  type Backend,
  contrastive,
  createExecutableCache,
  evaluate,
  fourBit,
  type Method,
  type Objective,
  predict,
  type Row,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { bitfit } from '@tunesmith/selective';
import { relativeError, rowSource, type TinyModel, tinyModel, tinyRows, trainTiny } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { expectMoved } from './expect-moved.js';
import { beside, inPlace } from './learners.js';
import { type TinyFamily, tinyBert, tinyFamilies, tinyLlama } from './tiny-families.js';

const onnx = backends['onnx-cpu'] as () => Promise<Backend> | Backend;

/** Rows of three texts; where there are scores, of two, on both sides of the 0 that fills a batch up. */
function comparedRows({ model, objective }: TinyModel, count = 16): Row[] {
  const texts = tinyRows(model, 3 * count);
  const scored = objective.rows === 'similarities';
  return Array.from({ length: count }, (_, index) => {
    const [anchor, ...compared] = texts.slice(3 * index, 3 * index + (scored ? 2 : 3)) as [Row, ...Row[]];
    return { ...anchor, compared, ...(scored && { labels: Float32Array.of((((index * 5) % 8) / 7) * 2 - 1) }) };
  });
}

async function prepare(
  family: TinyFamily,
  methods: readonly Method[],
  objective: Objective,
  backend: Backend | Promise<Backend> = onnx(),
): Promise<TinyModel> {
  return tinyModel({ ...family, objective }, methods, await backend);
}

async function expectTrained(family: TinyFamily, method: Method, objective: Objective): Promise<void> {
  const tiny = await prepare(family, [method], objective);
  await expectMoved(tiny, comparedRows(tiny));
}

const refusals: Readonly<Record<string, RegExp>> = {
  'a saved module': /NAME_UNKNOWN.*"lm_head" matches no site/,
  'fish-mask':
    /CAPABILITY_MISSING.*"contrastive" has no gradient of a row alone: what a text is told from are the other/,
};
const methods = Object.entries({ ...beside, ...inPlace, bitfit: () => bitfit() });

describe.each([
  ['an encoder', tinyBert],
  ['a decoder', tinyLlama],
])('%s', (_, family: TinyFamily) => {
  it.each(methods.filter(([name]) => name !== 'bitfit' || family === tinyBert))(
    'is trained by %s',
    async (name, method) => {
      const run = expectTrained(family, method(), contrastive());
      const refusal = refusals[name];
      if (refusal === undefined) await run;
      else await expect(run).rejects.toThrow(refusal);
    },
  );

  it('is trained by LoRA over codes', async () => {
    const quantization = { codec: fourBit({ type: 'nf4' as const, blockSize: 16, doubleQuantization: true }) };
    await expectTrained({ ...family, quantization } as TinyFamily, lora({ rank: 2 }), contrastive());
  });
});

it.each(Object.entries(tinyFamilies).filter(([, { family }]) => family.tasks?.includes('embedding') === true))(
  'learns scores over %s',
  (_, family) => expectTrained(family, lora({ rank: 2 }), contrastive({ loss: 'cosent' })),
);

it('counts the squared error of a cosine row by row, so that Fisher information and accumulation have it', async () => {
  const objective = () => contrastive({ loss: 'cosine' });
  const fishMask = inPlace['fish-mask'] as () => Method;
  await expectTrained(tinyBert, fishMask(), objective());
  const losses = async (division: { batchSize: number; gradientAccumulation: number }) => {
    const tiny = await prepare(tinyBert, [lora({ rank: 2, dropout: 0.1 })], objective());
    return Float32Array.from(await trainTiny(tiny, { steps: 3, rows: rowSource(comparedRows(tiny)), ...division }));
  };
  const whole = await losses({ batchSize: 4, gradientAccumulation: 1 });
  expect(relativeError(await losses({ batchSize: 2, gradientAccumulation: 2 }), whole)).toBeLessThan(1e-4);
});

const losses = [
  contrastive(),
  contrastive({ symmetric: true, normalize: true, pooling: 'cls' }),
  contrastive({ similarity: 'dot', pooling: 'lasttoken' }),
  contrastive({ loss: 'cosent' }),
  // What fills a batch up has states, and a first one.
  contrastive({ loss: 'cosine', pooling: 'cls' }),
].map((objective, index) => [`loss ${index + 1}`, objective] as const);

describe.each(losses)('%s', (_, objective) => {
  const untrained = () => prepare(tinyBert, [lora({ rank: 2 })], objective);

  it('says why it does not accumulate, where it does not', async () => {
    if (objective.coupled === undefined) return;
    const tiny = await untrained();
    const run = (more: object) =>
      trainTiny(tiny, {
        steps: 1,
        batchSize: 2,
        gradientAccumulation: 2,
        rows: rowSource(comparedRows(tiny)),
        ...more,
      });
    await expect(run({})).rejects.toThrow(/"contrastive" cannot accumulate gradients/);
    await run({ accumulateApart: true });
  });

  it('is the same however much a batch is filled up', async () => {
    const tiny = await untrained();
    const rows = comparedRows(tiny, 5);
    const executables = createExecutableCache(tiny.backend, tiny.parameters.tensors);
    const measured = (count: number, batch: number) =>
      evaluate(rows.slice(0, count), { ...tiny, executables, collate: { rows: batch, maxLength: 16, padToken: 0 } });
    const whole = await measured(5, 5);
    const filled = await measured(5, 8);
    expect(filled.loss).toBeCloseTo(whole.loss, 5);
    expect(filled.metrics).toEqual(whole.metrics);
    expect(whole.loss).toBeGreaterThan(1e-3);
    await executables.dispose();
  });

  it('is the same on both engines, gradients and all', async () => {
    const steps = async (backend: Backend | Promise<Backend>) => {
      const tiny = await prepare(tinyBert, [lora({ rank: 2 })], objective, backend);
      return Float32Array.from(await trainTiny(tiny, { steps: 3, rows: rowSource(comparedRows(tiny)) }));
    };
    expect(relativeError(await steps(createTfjsBackend({ prefer: 'cpu' })), await steps(onnx()))).toBeLessThan(1e-4);
  });
});

it('takes the gradient of what fills a batch up for nothing', async () => {
  const update = async (negatives: number) => {
    const tiny = await prepare(tinyBert, [lora({ rank: 2, initLoraWeights: 'gaussian' })], contrastive());
    // One row of the batch has more negatives than the others: theirs are filled up with texts without a token.
    const rows = comparedRows(tiny, 4).map((row, index) => ({
      ...row,
      compared: (row.compared ?? []).slice(0, index === 0 ? 1 + negatives : 1),
    }));
    const [loss = Number.NaN] = await trainTiny(tiny, { steps: 1, rows: rowSource(rows) });
    const values = await Promise.all(tiny.model.trained.map((handle) => tiny.parameters.read(handle)));
    return { loss, finite: values.every((each) => each.every(Number.isFinite)) };
  };
  const [none, one] = [await update(0), await update(1)];
  expect([none.finite, one.finite]).toEqual([true, true]);
  // A negative more in every denominator.
  expect(one.loss).toBeGreaterThan(none.loss);
});

it('pools a decoder by its last token if nothing is said, and an encoder by the mean', async () => {
  const vectors = async (family: TinyFamily, objective: Objective) => {
    const tiny = await prepare(family, [lora({ rank: 2 })], objective);
    const executables = createExecutableCache(tiny.backend, tiny.parameters.tensors);
    const found: number[] = [];
    const collate = { rows: 4, maxLength: 16, padToken: 0 };
    for await (const vector of predict(tinyRows(tiny.model, 3), { ...tiny, executables, collate }))
      found.push(...vector);
    await executables.dispose();
    return Float32Array.from(found);
  };
  for (const [family, own, other] of [
    [tinyBert, 'mean', 'lasttoken'],
    [tinyLlama, 'lasttoken', 'mean'],
  ] as const) {
    const byDefault = await vectors(family, contrastive());
    expect([...byDefault]).toEqual([...(await vectors(family, contrastive({ pooling: own })))]);
    expect(relativeError(byDefault, await vectors(family, contrastive({ pooling: other })))).toBeGreaterThan(0.1);
    const unit = await vectors(family, contrastive({ normalize: true }));
    const norms = [0, 1, 2].map((row) => Math.hypot(...unit.slice(16 * row, 16 * row + 16)));
    for (const norm of norms) expect(norm).toBeCloseTo(1, 5);
  }
});
