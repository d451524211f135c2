import {
  type Adapter,
  type Backend,
  canMerge,
  exportAdapter,
  fourBit,
  type Handle,
  type HostArray,
  importAdapter,
  int8,
  type Method,
  type MethodFactory,
  memoryTensor,
  mergeInPlace,
  randomKey,
  randomNormal,
  type TensorSource,
  type TrainerCheckpoint,
  tf,
} from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { suiteOptions } from '../suite-options.js';
import {
  compileLoss,
  type LossOfParameters,
  largestMagnitude,
  lossAndGradients,
  probeLogits,
  relativeError,
} from './measure.js';
import { buildTiny, type TinyModel, type TinyModelCase, tinyModel, tinyTrainer, trainTiny } from './tiny-run.js';

export interface MethodCase<Schema extends z.ZodObject> extends TinyModelCase {
  readonly name: string;
  readonly methodConfig?: z.input<Schema>;
}

export interface DescribeMethodOptions<Schema extends z.ZodObject> {
  /** At least one per family that the method supports. */
  readonly cases: readonly MethodCase<Schema>[];
  readonly createBackend: () => Backend | Promise<Backend>;
  /** `gradient` runs the gradient and one step only, for slow backends; `all` is the default. */
  readonly extent?: 'all' | 'gradient';
  /** Milliseconds that a test may take; 60,000 if not said. */
  readonly timeout?: number;
}

/**
 * Codecs whose products are those of the values that the codes stand for: in 8 bits where every column of x counts as an
 * outlier, because a rounded x gives what no other model gives.
 */
const exactCodecs = [
  fourBit({ type: 'nf4', blockSize: 16 }),
  int8({ outlierThreshold: 1e-30, integerGradient: false }),
];

/**
 * How far logits may be from the base model's, over the largest, where both should be the same: a start that takes out of a weight what
 * the adapter puts in sums in another order, which attention that is not scaled, as T5's, makes about ten units in the last place of.
 */
const startRounding = 2e-6;

/**
 * The contract of a method: what every method must do, on every family and backend it is given. Capabilities are read
 * from its definition, so that what it cannot do is declared and nothing is skipped by name.
 */
export function describeMethod<Schema extends z.ZodObject>(
  factory: MethodFactory<Schema>,
  { cases, createBackend, extent = 'all', timeout = suiteOptions.timeout }: DescribeMethodOptions<Schema>,
): void {
  const { name } = factory.definition;

  describe(`method ${name}`, { timeout }, () => {
    it('refuses an unknown key and keeps a config through JSON', () => {
      expect(() => factory({ noSuchKey: 1 } as never)).toThrow('noSuchKey');
      for (const { methodConfig } of cases) {
        const { config } = factory(methodConfig);
        expect(factory(JSON.parse(JSON.stringify(config))).config).toEqual(config);
      }
    });

    describe.each(cases)('$name', (testCase) => {
      const method = (): Method => factory(testCase.methodConfig);
      const { capabilities } = method();
      const make = async (seed?: number): Promise<TinyModel> =>
        tinyModel(testCase, [method()], await createBackend(), seed);
      const base = async (): Promise<TinyModel> => tinyModel(testCase, [], await createBackend());

      // Away from the start, where half of the gradients of a method that starts as the identity are zero.
      const ends = stageEnds(method(), testCase);
      for (const { name: at, steps, until } of ends.length === 0 ? [{ name: '', steps: 1, until: 1 }] : ends) {
        it(`has the gradient of finite differences, with blocks recomputed or kept${at}`, async () => {
          const tiny = await make();
          await trainTiny(tiny, { steps, until });
          const { gradients } = await lossAndGradients(tiny);
          const recomputed = await lossAndGradients(tiny, { checkpointBlocks: true });
          // Some gradients are rounding alone, such as those of attention's key biases, which cancel in the softmax.
          const rounding = 1e-2 * Math.max(...Object.values(gradients).map(largestMagnitude));
          for (const handle of tiny.model.trained) {
            const [again, gradient] = [recomputed.gradients[handle.key], gradients[handle.key]] as Float32Array[];
            expect(relativeError(again as Float32Array, gradient as Float32Array, rounding), handle.path).toBeLessThan(
              1e-4,
            );
          }
          const compiled = await compileLoss(tiny, await snapshot(tiny, tiny.model.trained));
          for (const handle of spread(tiny.model.trained, 6)) await checkDirection(tiny, handle, gradients, compiled);
          await compiled.dispose();
          tiny.parameters.tensors.dispose();
        });
      }

      it('moves what it declares and nothing else', async () => {
        const tiny = await make();
        let before = await snapshot(tiny, tiny.model.handles);
        const lastSteps = new Set([...ends.map(({ until }) => until), ends.length === 0 ? 2 : 4]);
        await trainTiny(tiny, {
          steps: Math.max(...lastSteps),
          async onEvent(event) {
            if (event.type === 'stage') before = await snapshot(tiny, tiny.model.handles);
            if (event.type !== 'step' || !lastSteps.has(event.step)) return;
            const after = await snapshot(tiny, tiny.model.handles);
            const trained = new Set(tiny.model.trained.map(({ key }) => key));
            const writesBuffers = tiny.model.hooks.some(({ hooks }) => hooks.afterUpdate !== undefined);
            for (const { key, kind } of tiny.model.handles) {
              if (kind === 'buffer' && writesBuffers) continue;
              const moved = relativeError(after.get(key) as HostArray, before.get(key) as HostArray) > 0;
              expect(moved, `${key} by step ${event.step}`).toBe(trained.has(key));
            }
          },
        });
        tiny.parameters.tensors.dispose();
      });

      if (extent === 'gradient') return;

      it(`${capabilities.identityAtInit ? 'starts' : 'does not start'} as the base model`, async () => {
        const [patched, plain] = [await make(), await base()];
        const error = relativeError(await probeLogits(patched), await probeLogits(plain));
        if (capabilities.identityAtInit) expect(error).toBeLessThan(startRounding);
        else expect(error).toBeGreaterThan(startRounding);
      });

      it('gives the same logits after saving and loading', async () => {
        const tiny = await make();
        await trainTiny(tiny);
        const [own] = tiny.model.methods;
        const saved = await exportAdapter(tiny.model, own as Method, tiny.parameters, tiny.backend);
        // Loaded by what was saved beside it, as anyone would.
        const config = saved.config === null ? null : factory.definition.fromPeft?.(saved.config);
        const reader = factory(config ?? testCase.methodConfig);
        const loaded = await tinyModel(testCase, [reader], await createBackend(), 99, tiny.model.stage);
        const [fresh] = loaded.model.methods;
        await importAdapter(loaded.model, fresh as Method, loaded.parameters, asSource(saved));
        const [after, before] = [await probeLogits(loaded), await probeLogits(tiny)];
        // What is computed from parameters is saved as its value, and read where it was computed; a file of another form
        // than the handles is read as what it says, which sums in another order.
        const isVerbatim = saved.tensors.length === tiny.model.ownedBy(own as Method).length;
        if (tiny.model.derived.length === 0 && isVerbatim) expect(after).toEqual(before);
        else expect(relativeError(after, before)).toBeLessThan(1e-6);
        const missing = { ...saved, tensors: saved.tensors.slice(1) };
        await expect(
          importAdapter(loaded.model, fresh as Method, loaded.parameters, asSource(missing)),
        ).rejects.toThrow('lacks');
      });

      it('ends equal for one seed and different for another', async () => {
        const [first, second, third] = [await make(), await make(), await make(2)];
        // Parameters that start as constants or as copies of the base are the same for every seed.
        const start = await snapshot(first, first.model.handles);
        const otherStart = await snapshot(third, third.model.handles);
        const isDrawn = [...start].some(([key, values]) => relativeError(otherStart.get(key) as HostArray, values) > 0);
        for (const tiny of [first, second]) await trainTiny(tiny);
        await trainTiny(third, { seed: 4 });
        expect(await probeLogits(second)).toEqual(await probeLogits(first));
        if (isDrawn) expect(await probeLogits(third)).not.toEqual(await probeLogits(first));
      });

      it('resumes to the same bits', async () => {
        const whole = await make();
        const saved: TrainerCheckpoint[] = [];
        await trainTiny(whole, {
          checkpoints: { save: async (checkpoint) => void saved.push(structuredClone(checkpoint)) },
        });
        const expected = await snapshot(whole, whole.model.handles);
        // From within each stage, and from where one ends and the next has not begun.
        for (const step of ends.length === 0 ? [2] : [1, 2, 3]) {
          const resumed = await make(99);
          const trainer = await tinyTrainer(resumed);
          await trainer.restore(saved[step - 1] as TrainerCheckpoint);
          for await (const _ of trainer.run());
          await trainer.dispose();
          expect(await snapshot(resumed, resumed.model.handles)).toEqual(expected);
          resumed.parameters.tensors.dispose();
        }
      });

      it('takes the same steps with gradients accumulated', async () => {
        const losses = [];
        for (const [batchSize, gradientAccumulation] of [
          [4, 1],
          [2, 2],
          [1, 4],
        ] as const) {
          losses.push(Float32Array.from(await trainTiny(await make(), { batchSize, gradientAccumulation, steps: 6 })));
        }
        const [whole, halves, singles] = losses as [Float32Array, Float32Array, Float32Array];
        expect(relativeError(halves, whole)).toBeLessThan(1e-5);
        expect(relativeError(singles, whole)).toBeLessThan(1e-5);
      });

      it('acts as an adapter beside others in the rows that ask for it, or says why it cannot', async () => {
        const tiny = await make();
        await trainTiny(tiny);
        const besides = tinyModel(testCase, [], await createBackend(), 1, null, { own: [method()] });
        if (ends.length > 0 || tiny.model.trained.some(({ owner }) => owner === 'base')) {
          await expect(besides).rejects.toThrow('cannot be an adapter beside others');
          return;
        }
        const beside = await besides;
        const places = new Map(beside.model.handles.map((handle) => [handle.key, handle]));
        for (const handle of tiny.model.handles.filter(({ owner }) => owner !== 'base')) {
          const place = places.get(`own/${handle.key}`) as Handle;
          await beside.parameters.write(place, (await tiny.parameters.readArray(handle)).slice());
        }
        const [own, plain] = [await probeLogits(tiny), await probeLogits(await base())];
        const count = tiny.objective.predictions === undefined ? 2 : 4;
        const size = own.length / count;
        // Where it puts tokens before a text, rows with and without it have other inputs: then all have it.
        const isMixed = beside.model.under(['own']).virtualTokens.length === 0;
        const stacks = isMixed ? [['own'], []] : [['own']];
        const stackOfRow = Array.from({ length: count }, (_, row) => (isMixed ? row % 2 : 0));
        const mixed = await probeLogits(beside, { stacks, rows: stackOfRow });
        for (const [row, stack] of stackOfRow.entries()) {
          const part = (logits: Float32Array) => logits.subarray(row * size, (row + 1) * size);
          expect(relativeError(part(mixed), part(stack === 0 ? own : plain)), `row ${row}`).toBeLessThan(1e-5);
        }
      });

      it.each(exactCodecs)(
        `${capabilities.quantizedBase === true ? 'trains over' : 'refuses'} a base in $name`,
        async (codec) => {
          const quantized = { ...testCase, quantization: { codec } };
          if (capabilities.quantizedBase !== true) {
            expect(() => buildTiny(quantized, [method()])).toThrow('does not train over a quantised base');
            return;
          }
          const tiny = await tinyModel(quantized, [method()], await createBackend());
          await trainTiny(tiny);
          const encoded = tiny.model.handles.filter((handle) => tiny.parameters.encodingOf(handle) !== undefined);
          expect(encoded.length).toBeGreaterThan(0);
          const untouched = await tinyModel(quantized, [], await createBackend());
          for (const handle of encoded) {
            expect(await tiny.parameters.readParts(handle)).toEqual(await untouched.parameters.readParts(handle));
          }
          // The same model over the values that the codes stand for.
          const plain = await make();
          const places = new Map(plain.model.handles.map((handle) => [handle.key, handle]));
          for (const handle of tiny.model.handles) {
            await plain.parameters.write(
              places.get(handle.key) as Handle,
              (await tiny.parameters.readArray(handle)).slice(),
            );
          }
          expect(relativeError(await probeLogits(tiny), await probeLogits(plain))).toBeLessThan(1e-5);
          // Recomputed blocks, where the codes are read twice.
          const [own, expected] = [
            await lossAndGradients(tiny, { checkpointBlocks: true }),
            await lossAndGradients(plain),
          ];
          expect(Math.abs(own.loss - expected.loss)).toBeLessThan(1e-5);
          const rounding = 1e-2 * Math.max(...Object.values(expected.gradients).map(largestMagnitude));
          for (const [key, gradient] of Object.entries(expected.gradients)) {
            expect(relativeError(own.gradients[key] as Float32Array, gradient, rounding), key).toBeLessThan(1e-4);
          }
          for (const { parameters } of [tiny, untouched, plain]) parameters.tensors.dispose();
        },
      );

      it(`${capabilities.mergeable ? 'merges and unmerges' : 'refuses to merge'}`, async () => {
        const tiny = await make();
        await trainTiny(tiny);
        expect(canMerge(tiny.model)).toBe(capabilities.mergeable);
        if (!capabilities.mergeable) {
          await expect(mergeInPlace(tiny.model, tiny.parameters)).rejects.toThrow('cannot be merged');
          return;
        }
        const separate = await probeLogits(tiny);
        const bases = tiny.model.handles.filter(({ owner }) => owner === 'base');
        const before = await snapshot(tiny, bases);
        const merged = await mergeInPlace(tiny.model, tiny.parameters);
        const plain = await tinyModel(testCase, [], tiny.backend);
        for (const handle of plain.model.handles) {
          const source = bases.find(({ key }) => key === handle.key) as Handle;
          await plain.parameters.write(handle, await tiny.parameters.read(source));
        }
        expect(relativeError(await probeLogits(plain), separate)).toBeLessThan(1e-5);
        if (capabilities.trainsBase) return;
        await merged.unmerge();
        for (const [key, values] of await snapshot(tiny, bases)) {
          expect(relativeError(values, before.get(key) as HostArray), key).toBeLessThan(1e-5);
        }
      });

      it('leaves nothing behind', async () => {
        const tiny = await make();
        await trainTiny(tiny);
        await probeLogits(tiny);
        tiny.parameters.tensors.dispose();
        const before = tf.engine().state.numTensors;
        const again = await make();
        await trainTiny(again);
        await probeLogits(again);
        again.parameters.tensors.dispose();
        expect(tf.engine().state.numTensors).toBe(before);
      });
    });
  });
}

/** The last step of each stage that trains, in a run of four steps; none for a method without stages. */
function stageEnds(method: Method, testCase: TinyModelCase): { name: string; steps: number; until: number }[] {
  const steps = 4;
  const stages = method.stages?.({ steps, stepsPerEpoch: 16 }, buildTiny(testCase, []).handles) ?? [];
  let until = 0;
  return stages.flatMap(({ name, run, length = steps }, index) => {
    if (run !== 'train') return [];
    until = index === stages.length - 1 ? steps : Math.min(steps, until + length);
    return [{ name: `, at the end of ${name}`, steps, until }];
  });
}

/** Up to `count` items, spread evenly. */
function spread<Item>(items: readonly Item[], count: number): Item[] {
  const step = Math.max(1, items.length / count);
  return items.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step));
}

/**
 * Compares g·d with (L(θ + εd) − L(θ − εd)) / 2ε along a random direction that leans towards the gradient.
 */
async function checkDirection(
  tiny: TinyModel,
  handle: Handle,
  gradients: Record<string, Float32Array>,
  compiled: LossOfParameters,
): Promise<void> {
  const gradient = gradients[handle.key] as Float32Array;
  const norm = Math.hypot(...gradient);
  const key = randomKey(17, handle.key);
  const direction = gradient.map(
    (value, index) => value / (norm || 1) + randomNormal(key, index) / Math.sqrt(gradient.length),
  );
  const slope = gradient.reduce((sum, value, index) => sum + value * (direction[index] as number), 0);
  const start = await tiny.parameters.read(handle);
  const epsilon = 4e-3;
  const lossAt = async (sign: number): Promise<number> => {
    await tiny.parameters.write(
      handle,
      start.map((value, index) => value + sign * epsilon * (direction[index] as number)),
    );
    return compiled.loss();
  };
  const measured = ((await lossAt(1)) - (await lossAt(-1))) / (2 * epsilon);
  await tiny.parameters.write(handle, start);
  expect(Math.abs(measured - slope), `${handle.path}: measured ${measured}, gradient says ${slope}`).toBeLessThan(
    0.02 * Math.abs(slope) + 5e-4,
  );
}

async function snapshot({ parameters }: TinyModel, handles: readonly Handle[]): Promise<Map<string, HostArray>> {
  const values = new Map<string, HostArray>();
  for (const handle of handles) values.set(handle.key, (await parameters.readArray(handle)).slice());
  return values;
}

function asSource({ tensors }: Adapter<HostArray>): TensorSource {
  const byName = new Map(tensors.map(({ name, shape, data }) => [name, memoryTensor(name, shape, data)]));
  return { names: () => [...byName.keys()], get: (name) => byName.get(name) };
}
