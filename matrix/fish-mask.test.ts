/** What FishMask chooses, trains and saves, and what it refuses. */
import {
  type Adapter,
  adamw,
  classification,
  elementCount,
  estimateTraining,
  exportAdapter,
  type Handle,
  type HostArray,
  importAdapter,
  type Method,
  memoryTensor,
  type StageHost,
  sft,
} from '@tunesmith/core';
import { fishMask } from '@tunesmith/selective';
import { type TinyModel, type TinyModelCase, tinyModel, trainTiny } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { tinyBert, tinyGpt2, tinyLlama } from './tiny-families.js';

type Options = Parameters<typeof fishMask>[0];
/** By the path of a weight. */
type ByWeight<Value> = Record<string, Value>;

const sizeOf = (handles: readonly Handle[]): number => handles.reduce((sum, { shape }) => sum + elementCount(shape), 0);
const weightsOf = ({ model }: TinyModel): Handle[] => model.handles.filter(({ owner }) => owner === 'base');
const make = async (family: TinyModelCase, options: Options): Promise<TinyModel> =>
  tinyModel(family, [fishMask(options)], await backends['onnx-cpu']());

/** A run of two steps with the scores that its pass left. */
async function runWithScores(family: TinyModelCase, options: Options) {
  const method = fishMask(options);
  const scores: ByWeight<Float32Array> = {};
  const keep = async ({ handles, read }: StageHost): Promise<void> => {
    for (const handle of handles.filter(({ path }) => path.endsWith('.score'))) {
      scores[handle.path.slice(0, -'.score'.length)] = await read(handle);
    }
  };
  const watched: Method = {
    ...method,
    stages: (run, weights) =>
      (method.stages?.(run, weights) ?? []).map((stage) => ({
        ...stage,
        async enter(host) {
          await keep(host);
          return (await stage.enter?.(host)) ?? {};
        },
      })),
  };
  const tiny = await tinyModel(family, [watched], await backends['onnx-cpu']());
  await trainTiny(tiny, { steps: 2 });
  return { tiny, scores };
}

/** Where the largest of all scores are, of equal ones the lowest path and position. */
function largest(scores: ByWeight<Float32Array>, count: number): ByWeight<number[]> {
  const all = Object.entries(scores).flatMap(([path, values]) =>
    Array.from(values, (score, index) => ({ path, index, score })),
  );
  all.sort((a, b) => b.score - a.score || (a.path < b.path ? -1 : a.path > b.path ? 1 : a.index - b.index));
  const chosen: ByWeight<number[]> = {};
  for (const { path, index } of all.slice(0, count)) chosen[path] = [...(chosen[path] ?? []), index];
  for (const positions of Object.values(chosen)) positions.sort((a, b) => a - b);
  return chosen;
}

async function positionsOf({ model, parameters }: TinyModel): Promise<ByWeight<number[]>> {
  const found: ByWeight<number[]> = {};
  for (const handle of model.handles.filter(({ path }) => path.endsWith('.positions'))) {
    found[handle.path.slice(0, -'.positions'.length)] = [...(await parameters.readArray(handle))];
  }
  return found;
}

describe('fish-mask', () => {
  it.each([
    ['a decoder', tinyLlama, {}, 0],
    ['tied embeddings, magnitudes', tinyGpt2, { score: 'absolute' }, 0],
    ["a classifier, whose head counts, with the model's labels", tinyBert, { labels: 'model' }, 3 * 16 + 3],
  ] as const)('chooses the largest scores of all weights together: %s', async (_, family, options, head) => {
    const before = await make(family, {});
    const { tiny, scores } = await runWithScores(family, { ratio: 0.05, samples: 5, ...options });
    const total = sizeOf(weightsOf(tiny));
    const scored = Object.values(scores).reduce((sum, { length }) => sum + length, 0);
    expect(scored).toBe(total - head);
    const expected = largest(scores, Math.floor(0.05 * total) - head);
    expect(Object.keys(expected).length).toBeGreaterThan(5);
    expect(await positionsOf(tiny)).toEqual(expected);

    // The weights stand still; what trains is a difference at these positions, and a classifier whole.
    const own = tiny.model.trained.filter(({ owner }) => owner === 'fish-mask');
    expect(sizeOf(tiny.model.trained)).toBe(Math.floor(0.05 * total));
    expect(own.every(({ path, decay }) => path.endsWith('.delta') && !decay)).toBe(true);
    for (const handle of weightsOf(before)) {
      const [now, then] = [tiny, before].map(({ parameters }) => parameters.read(handle)) as [
        Promise<unknown>,
        Promise<unknown>,
      ];
      expect(await now, handle.path).toEqual(await then);
    }
  });

  it('chooses within modules alone where some are named', async () => {
    const { tiny, scores } = await runWithScores(tinyLlama, { ratio: 0.1, samples: 3, modules: ['down_proj', 'norm'] });
    const inside = weightsOf(tiny).filter(({ path }) => /down_proj|model\.norm/.test(path));
    expect(Object.keys(scores).sort()).toEqual(inside.map(({ path }) => path).sort());
    expect(await positionsOf(tiny)).toEqual(largest(scores, Math.floor(0.1 * sizeOf(inside))));
  });

  it('looks at no row twice', async () => {
    // There are 64.
    const [all, more] = [64, 1000].map((samples) => runWithScores(tinyLlama, { ratio: 0.05, samples }));
    expect((await more)?.scores).toEqual((await all)?.scores);
  });

  it('saves eight bytes a weight, and loads by the stage that it was saved in', async () => {
    const tiny = await make(tinyLlama, { ratio: 0.05, samples: 3 });
    await trainTiny(tiny, { steps: 2 });
    const { tensors } = await exportAdapter(tiny.model, tiny.model.methods[0] as Method, tiny.parameters);
    const bytes = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
    expect(bytes).toBe(8 * Math.floor(0.05 * sizeOf(weightsOf(tiny))));
    expect(tensors.every(({ name }) => /^base_model\.model\..*\.(positions|delta)$/.test(name))).toBe(true);

    const load = async (
      change: (tensor: Adapter<HostArray>['tensors'][number]) => HostArray,
      stage = tiny.model.stage,
    ) => {
      const reader = await tinyModel(tinyLlama, [fishMask({ ratio: 0.05 })], await backends['onnx-cpu'](), 9, stage);
      const files = new Map(
        tensors.map((tensor) => [tensor.name, memoryTensor(tensor.name, tensor.shape, change(tensor))]),
      );
      const source = { names: () => [...files.keys()], get: (name: string) => files.get(name) };
      await importAdapter(reader.model, reader.model.methods[0] as Method, reader.parameters, source);
      return reader;
    };
    expect(await positionsOf(await load(({ data }) => data))).toEqual(await positionsOf(tiny));
    await expect(load(({ data }) => data, null)).rejects.toThrow(/SHAPE_MISMATCH|has no place|lacks/);
    const large = ({ data }: { data: HostArray }) =>
      data instanceof Int32Array ? data.map((at) => at + 10_000) : data;
    await expect(load(large)).rejects.toThrow('a position lies outside its weight');
    const turned = ({ data }: { data: HostArray }) => (data instanceof Int32Array ? data.slice().reverse() : data);
    await expect(load(turned)).rejects.toThrow('out of order');
  });

  it('plans for as many weights as will train', async () => {
    const { model, backend } = await make(tinyLlama, { ratio: 0.05 });
    const estimate = await estimateTraining({
      model,
      backend,
      objective: sft,
      optimizer: adamw(),
      batchSize: 2,
      length: 8,
    });
    expect(estimate.trainedParameters / estimate.totalParameters).toBeCloseTo(0.05, 2);
  });

  it("refuses a share that is the head's alone, and labels of a model that gives no distribution", async () => {
    await expect(runWithScores(tinyBert, { ratio: 0.005, samples: 1 })).rejects.toThrow(
      /ratio.*the new head alone has 51 weights/,
    );
    const regression = { ...tinyBert, objective: classification({ labels: 3, problemType: 'regression' }) };
    const tiny = await make(regression, { ratio: 0.1, labels: 'model' });
    await expect(trainTiny(tiny, { steps: 1 })).rejects.toThrow('gives no distribution');
  });
});
