/** What methods do beside the optimizer: each hook against the same arithmetic on the host. */
import {
  chain,
  clipByGlobalNorm,
  constant,
  type Handle,
  type Method,
  matchesName,
  observeGlobalNorm,
  type PatchHooks,
  sgd,
  tf,
  zeros,
} from '@tunesmith/core';
import { relativeError, type TinyModel, tinyModel, tinyTrainer } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { tinyLlama } from './tiny-families.js';

/** A vector on every value projection's output, and hooks over it. */
function method(name: string, target: string, hooks: (scale: Handle, count: Handle) => PatchHooks): Method {
  return {
    name,
    apiVersion: 1,
    config: {},
    capabilities: { mergeable: false, identityAtInit: true, trainsBase: false },
    patchModel(patcher) {
      const count = patcher.buffer('count', { shape: [], init: zeros });
      const handles: Handle[] = [];
      patcher.wrap('linear', { include: [target] }, (site) => {
        const scale = site.parameter('scale', { shape: [site.outFeatures], init: constant(1) });
        handles.push(scale);
        return (x, next, t) => tf.mul(next(x), t.value(scale));
      });
      return hooks(handles[0] as Handle, count);
    },
  };
}

const plainHooks = (): PatchHooks => ({});

async function run(
  methods: readonly Method[],
  backend: keyof typeof backends,
  options: Parameters<typeof tinyTrainer>[1] = {},
) {
  const tiny = await tinyModel(tinyLlama, methods, await backends[backend]());
  const trainer = await tinyTrainer(tiny, {
    steps: 1,
    learningRate: 0.5,
    optimizer: chain(observeGlobalNorm(), sgd()),
    ...options,
  });
  const events = [];
  for await (const event of trainer.run()) if (event.type === 'step') events.push(event);
  await trainer.dispose();
  return { tiny, events };
}

/** The value of the method's first scale, or of its counter. */
function value({ model, parameters }: TinyModel, name = 'scale', owner = 'a'): Promise<Float32Array> {
  const handle = model.handles.find((one) => one.owner === owner && matchesName(one.path, name)) as Handle;
  return parameters.read(handle);
}

describe.each(['onnx-cpu', 'tfjs-cpu'] as const)('hooks on %s', (backend) => {
  const first = async (hooks: (scale: Handle, count: Handle) => PatchHooks, options = {}) => {
    const { tiny, events } = await run([method('a', 'v_proj', hooks)], backend, options);
    return { scale: await value(tiny), count: await value(tiny, 'count'), event: events.at(-1) };
  };
  const gradientOf = (scale: Float32Array): Float32Array => scale.map((after) => (1 - after) / 0.5);

  it('adds a penalty once, however many micro-batches there are, and reports it beside the loss', async () => {
    const plain = await first(plainHooks);
    const penalised = (scale: Handle): PatchHooks => ({
      penalty: (u) => tf.mul(0.25, tf.sum(tf.square(u.value(scale)))),
    });
    const expected = gradientOf(plain.scale).map((gradient) => gradient + 0.5);
    for (const split of [{}, { batchSize: 1, gradientAccumulation: 4 }]) {
      const { scale, event } = await first(penalised, split);
      expect(relativeError(gradientOf(scale), expected)).toBeLessThan(1e-5);
      expect(event?.terms['a.penalty']).toBeCloseTo(0.25 * scale.length, 5);
      expect(event?.loss).toBeCloseTo(plain.event?.loss as number, 5);
    }
  });

  it('transforms gradients before they are clipped', async () => {
    const plain = await first(plainHooks);
    const doubled = (scale: Handle): PatchHooks => ({
      transformGradients: (u) => new Map([[scale, tf.mul(u.gradient(scale), 2)]]),
    });
    const { scale, event } = await first(doubled);
    expect(
      relativeError(
        gradientOf(scale),
        gradientOf(plain.scale).map((gradient) => 2 * gradient),
      ),
    ).toBeLessThan(1e-6);
    expect(event?.gradientNorm).toBeGreaterThan(plain.event?.gradientNorm as number);
  });

  it('feeds controls, and lets afterUpdate move buffers and parameters by all that it sees', async () => {
    const hooks = (scale: Handle, count: Handle): PatchHooks => ({
      controls: { clock: { shape: [2], value: ({ step, steps }) => [step, steps] } },
      afterUpdate: (u) =>
        new Map([
          [count, tf.add(u.value(count), tf.sum(u.control('clock')))],
          [scale, tf.add(tf.mul(u.after(scale), 10), tf.add(u.gradient(scale), u.value(scale)))],
        ]),
    });
    const plain = await first(plainHooks);
    const { scale } = await first(hooks);
    const expected = plain.scale.map((after, index) => 10 * after + (gradientOf(plain.scale)[index] as number) + 1);
    expect(relativeError(scale, expected)).toBeLessThan(1e-6);
    const { count } = await first(hooks, { steps: 3, learningRate: 0 });
    expect(count[0]).toBe(0 + 3 + (1 + 3) + (2 + 3));
  });

  it('gives groups their own rate, scale and clipping norm', async () => {
    const plain = await run([method('a', 'v_proj', plainHooks), method('b', 'q_proj', plainHooks)], backend);
    const grouped = (settings: object) => (): PatchHooks => ({
      groups: [{ match: ({ owner }) => owner === 'b', ...settings }],
    });
    const rate = await run(
      [method('a', 'v_proj', plainHooks), method('b', 'q_proj', grouped({ learningRate: 0.25, scale: 0.5 }))],
      backend,
    );
    expect(await value(rate.tiny)).toEqual(await value(plain.tiny));
    const [slow, fast] = [await value(rate.tiny, 'scale', 'b'), await value(plain.tiny, 'scale', 'b')];
    const quarter = fast.map((after) => 1 + (after - 1) / 4);
    expect(relativeError(slow, quarter)).toBeLessThan(1e-6);

    const clipped = await run(
      [method('a', 'v_proj', plainHooks), method('b', 'q_proj', grouped({ clip: 'own' }))],
      backend,
      { optimizer: chain(clipByGlobalNorm(1e-3), sgd()) },
    );
    for (const owner of ['a', 'b']) {
      const moved = clipped.tiny.model.trained.filter((handle) => handle.owner === owner);
      let squares = 0;
      for (const handle of moved) {
        for (const after of await clipped.tiny.parameters.read(handle)) squares += ((1 - after) / 0.5) ** 2;
      }
      expect(Math.sqrt(squares), owner).toBeCloseTo(1e-3, 5);
    }
  });

  it('refuses to write a frozen weight', async () => {
    const writes: Method = {
      ...method('a', 'v_proj', plainHooks),
      patchModel(patcher) {
        const [site] = patcher.sites('linear');
        patcher.wrap('linear', { include: ['v_proj'] }, ({ parameter, outFeatures }) => {
          const scale = parameter('scale', { shape: [outFeatures], init: constant(1) });
          return (x, next, t) => tf.mul(next(x), t.value(scale));
        });
        const frozen = site?.weightHandle as Handle;
        return { afterUpdate: (u) => new Map([[frozen, u.value(frozen)]]) };
      },
    };
    await expect(run([writes], backend)).rejects.toThrow('not its own');
  });
});
