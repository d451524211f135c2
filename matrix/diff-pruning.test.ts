/** What diff pruning keeps, at which rates it trains, what it saves, and what it refuses. */
import {
  elementCount,
  exportAdapter,
  type Handle,
  type Method,
  mergedWeights,
  type StageHost,
  TunesmithError,
} from '@tunesmith/core';
import { diffPruning } from '@tunesmith/selective';
import { type TinyModel, type TinyModelCase, tinyModel, tinyRows, trainTiny } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { tinyBert, tinyGpt2, tinyLlama } from './tiny-families.js';

type Options = NonNullable<Parameters<typeof diffPruning>[0]>;
/** Numbers by the path of what holds them. */
type Values = Map<string, number[]>;

const sizeOf = (handles: readonly Handle[]): number => handles.reduce((sum, { shape }) => sum + elementCount(shape), 0);
const weightsOf = ({ model }: TinyModel): Handle[] => model.handles.filter(({ owner }) => owner === 'base');
const make = async (family: TinyModelCase, method: Method): Promise<TinyModel> =>
  tinyModel(family, [method], backends['onnx-cpu']());

async function read({ handles, read: values }: Pick<StageHost, 'handles' | 'read'>): Promise<Values> {
  const own = handles.filter(({ owner }) => owner === 'diff-pruning');
  return new Map(
    await Promise.all(
      own.map(async (handle): Promise<[string, number[]]> => [handle.path, [...(await values(handle))]]),
    ),
  );
}
const readTiny = ({ model, parameters }: TinyModel): Promise<Values> =>
  read({ handles: model.handles, read: async (handle) => Float32Array.from(await parameters.readArray(handle)) });

/** A run of four steps, and what lies beside the weights before and after two of them are over and the largest are kept. */
async function runAcross(family: TinyModelCase, options: Options) {
  const method = diffPruning({ alphaInit: 0.5, penalty: 1e-3, ...options });
  let behindGates: Values = new Map();
  const watched: Method = {
    ...method,
    stages: (run, weights) =>
      (method.stages?.(run, weights) ?? []).map((stage) => ({
        ...stage,
        async enter(host) {
          behindGates = await read(host);
          return (await stage.enter?.(host)) ?? {};
        },
      })),
  };
  const tiny = await make(family, watched);
  let kept: Values = new Map();
  const snapshots: Values[] = [];
  await trainTiny(tiny, {
    steps: 4,
    async onEvent(event) {
      if (event.type === 'stage' && event.name === 'fixed-mask') kept = await readTiny(tiny);
      if (event.type === 'step') snapshots.push(await readTiny(tiny));
    },
  });
  return { tiny, behindGates, kept, snapshots };
}

const gateOf = (alpha: number): number => Math.min(1, Math.max(0, 3 / (1 + Math.exp(-alpha)) - 1.5));

/** Every weight's difference behind settled gates. */
function settled(values: Values): Values {
  const differences = [...values].filter(([path]) => path.endsWith('.difference'));
  return new Map(
    differences.map(([path, own]) => {
      const weight = path.slice(0, -'.difference'.length);
      const [group = Number.POSITIVE_INFINITY] = values.get(`${weight}.group`) ?? [];
      const alphas = values.get(`${weight}.alpha`) as number[];
      return [weight, own.map((value, index) => value * gateOf(alphas[index] as number) * gateOf(group))];
    }),
  );
}

const refusal = async (action: Promise<unknown>): Promise<string> => {
  const error = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(TunesmithError.isInstance(error)).toBe(true);
  return (error as TunesmithError).message;
};

describe('diff-pruning', () => {
  it.each<[string, TinyModelCase, Options, number]>([
    ['a decoder', tinyLlama, {}, 0],
    ['tied embeddings, gates of elements alone', tinyGpt2, { structured: false }, 0],
    ['some modules of a classifier, whose head does not count', tinyBert, { modules: ['attention', 'pooler'] }, 51],
  ])(
    'keeps the largest differences of all weights together, as large as they were: %s',
    async (_, family, options, head) => {
      const { tiny, behindGates, kept } = await runAcross(family, { targetSparsity: 0.05, ...options });
      const differences = settled(behindGates);
      const all = [...differences].flatMap(([path, values]) => values.map((value, index) => ({ path, index, value })));
      const count = Math.floor(0.05 * all.length);
      all.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
      const largest = new Map<string, Map<number, number>>();
      for (const { path, index, value } of all.slice(0, count)) {
        largest.set(path, (largest.get(path) ?? new Map()).set(index, value));
      }
      expect(kept.size).toBe(2 * largest.size);
      for (const [path, chosen] of largest) {
        const positions = kept.get(`${path}.positions`) as number[];
        expect(positions).toEqual([...chosen.keys()].sort((a, b) => a - b));
        const deltas = kept.get(`${path}.delta`) as number[];
        for (const [at, position] of positions.entries()) {
          expect(deltas[at]).toBeCloseTo(chosen.get(position) as number, 6);
        }
      }
      expect(sizeOf(tiny.model.trained)).toBe(count + head);
      const { tensors } = await exportAdapter(tiny.model, tiny.model.methods[0] as Method, tiny.parameters);
      expect(tensors.reduce((sum, { data }) => sum + data.byteLength, 0)).toBe(8 * count + 4 * head);
    },
  );

  it('trains gates, differences and what is left each at its own rate', async () => {
    const { kept, snapshots } = await runAcross(tinyLlama, { alphaInit: 4, alphaLearningRate: 0.3, fixedMaskRate: 4 });
    const [first, , third] = snapshots as [Values, Values, Values];
    // Adam's first step is the learning rate, wherever there is a gradient: at first of the penalty alone. The run's is 0.01.
    for (const [path, values] of first) {
      if (path.endsWith('.difference')) expect(Math.max(...values.map(Math.abs)), path).toBeCloseTo(0.01, 4);
      else for (const alpha of values) expect(alpha, path).toBeCloseTo(3.7, 3);
    }
    const steps = [...kept].flatMap(([path, before]) =>
      path.endsWith('.delta')
        ? before.map((value, index) => Math.abs(((third.get(path) as number[])[index] as number) - value))
        : [],
    );
    expect(Math.max(...steps)).toBeCloseTo(0.04, 4);
  });

  it('reports its penalty, the expected number of open gates', async () => {
    const tiny = await make(tinyLlama, diffPruning({ alphaInit: 1.5, penalty: 1e-3, lower: -0.1, upper: 1.1 }));
    const penalties: number[] = [];
    await trainTiny(tiny, {
      steps: 3,
      async onEvent(event) {
        if (event.type === 'step') penalties.push(event.terms['diff-pruning.penalty'] as number);
      },
    });
    const weights = weightsOf(tiny);
    const expected = (1e-3 * (sizeOf(weights) + weights.length)) / (1 + Math.exp(-1.5 - Math.log(11)));
    expect(penalties[0]).toBeCloseTo(expected, 4);
    expect(penalties[1]).toBeLessThan(expected);
  });

  it('gives nothing from behind the gates for the best of a run', async () => {
    const tiny = await make(tinyLlama, diffPruning());
    const best: number[] = [];
    await trainTiny(tiny, {
      steps: 4,
      evaluation: { every: 1, rows: () => tinyRows(tiny.model, 2), best: 'step', measure: async (step) => ({ step }) },
      async onEvent(event) {
        if (event.type === 'evaluate' && event.best) best.push(event.step);
      },
    });
    expect(best).toEqual([3]);
  });

  it('merges with settled gates before anything is pruned', async () => {
    const tiny = await make(tinyLlama, diffPruning({ alphaInit: 0.5 }));
    await trainTiny(tiny, { steps: 4, until: 2 });
    const differences = settled(await readTiny(tiny));
    for await (const { handle, values } of mergedWeights(tiny.model, tiny.parameters)) {
      const before = await tiny.parameters.read(handle);
      const own = differences.get(handle.path) as number[];
      for (const [index, value] of values.entries()) {
        expect(value).toBeCloseTo((before[index] as number) + (own[index] as number), 6);
      }
    }
  });

  it('refuses more weights than its limit, with what they would take and how to have fewer', async () => {
    const size = sizeOf(weightsOf(await make(tinyLlama, diffPruning())));
    const message = await refusal(make(tinyLlama, diffPruning({ maxWeights: size - 1 })));
    expect(message).toContain(`expected at most ${size - 1}, got ${size}, which would take about`);
    expect(message).toMatch(/0\.00\d+ GB.*of noise every step.*diff-pruning\.modules/s);
    await make(tinyLlama, diffPruning({ maxWeights: size }));
    await make(tinyLlama, diffPruning({ maxWeights: size - 1, modules: ['self_attn'] }));
    // What was pruned is small, whatever it was pruned from.
    const stage = { name: 'fixed-mask', memory: { kept: { 'model.norm.weight': 2 } }, moved: [] };
    await tinyModel(tinyLlama, [diffPruning({ maxWeights: 1 })], backends['onnx-cpu'](), 1, stage);
  });

  it('refuses a run without a step after pruning, a share of nothing, and gates that are all shut', async () => {
    const train = async (options: Options, steps: number) =>
      trainTiny(await make(tinyLlama, diffPruning(options)), { steps });
    expect(await refusal(train({}, 1))).toMatch(/diff-pruning\.gated.*got 1 of 1/s);
    expect(await refusal(train({ targetSparsity: 1e-9 }, 4))).toMatch(/diff-pruning\.targetSparsity/);
    expect(await refusal(train({ alphaInit: -20 }, 2))).toMatch(/DATA_INVALID.*no difference is left/s);
  });
});
