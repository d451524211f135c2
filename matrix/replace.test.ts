/** Weights that a method puts a function of themselves in the place of. */
import {
  apiVersion,
  buildModel,
  defineMethod,
  elementCount,
  exportAdapter,
  type Handle,
  importAdapter,
  type Method,
  memoryTensor,
  mergedWeights,
  normal,
  scatterAdd,
  tf,
} from '@tunesmith/core';
import { describeMethod, relativeError, tinyModel } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { backends } from './backends.js';
import { tinyGpt2, tinyLlama } from './tiny-families.js';

/** Every weight's first and every fifth element after it, through positions and values of their own. */
const fifths = defineMethod({
  name: 'fifths',
  apiVersion,
  summary: 'Trains a fifth of every weight',
  config: z.object({}),
  capabilities: { mergeable: true, identityAtInit: false, trainsBase: false },
  create: () => ({
    patchModel(patcher) {
      patcher.replace(
        () => true,
        ({ shape }, { parameter, buffer }) => {
          const count = Math.ceil(elementCount(shape) / 5);
          const positions = buffer('positions', {
            shape: [count],
            dtype: 'int32',
            init: () => Int32Array.from({ length: count }, (_, index) => 5 * index),
          });
          const delta = parameter('delta', { shape: [count], init: normal(0.1) });
          return {
            value: (weight, t) => scatterAdd(weight, t.value(positions), t.value(delta)),
            async merge(weight, read) {
              const [at, values] = [await read(positions), await read(delta)];
              at.forEach((position, index) => {
                weight[position] = (weight[position] as number) + (values[index] as number);
              });
            },
          };
        },
      );
    },
  }),
});

describe('on the compiled engine', () => {
  const createBackend = backends['onnx-cpu'];
  // GPT-2's head is its embedding, which is one weight and read twice.
  const cases = [{ ...tinyGpt2, name: 'gpt2' }];
  describeMethod(fifths, { cases, createBackend });
});

describe('on the eager engine', () => {
  describeMethod(fifths, {
    cases: [{ ...tinyLlama, name: 'llama' }],
    createBackend: backends['tfjs-cpu'],
    extent: 'gradient',
  });
});

describe('replaced weights', () => {
  const scaled = (name: string, factor: number): Method => ({
    ...{ name, apiVersion, config: {} },
    capabilities: { mergeable: true, identityAtInit: false, trainsBase: false },
    patchModel(patcher) {
      patcher.replace(
        ({ path }) => path.endsWith('down_proj.weight'),
        (_, { parameter }) => {
          const added = parameter(name, { shape: [], init: () => Float32Array.of(factor) });
          return {
            value: (weight, t) => tf.add(tf.mul(weight, 2), t.value(added)),
            async merge(weight, read) {
              const [value] = await read(added);
              weight.forEach((each, index) => {
                weight[index] = 2 * each + (value as number);
              });
            },
          };
        },
      );
    },
  });

  it('pass through one method after another', async () => {
    const tiny = await tinyModel(tinyLlama, [scaled('a', 0.5), scaled('b', 0.25)], backends['onnx-cpu']());
    for await (const { handle, values } of mergedWeights(tiny.model, tiny.parameters)) {
      if (!handle.path.endsWith('down_proj.weight')) continue;
      const base = await tiny.parameters.read(handle);
      expect(
        relativeError(
          values,
          base.map((each) => 2 * (2 * each + 0.5) + 0.25),
        ),
      ).toBeLessThan(1e-6);
    }
  });

  it('say which of a method has no form on the host, and refuse to choose nothing', async () => {
    const method = scaled('a', 1);
    const [silent, none]: Method[] = [
      {
        ...method,
        patchModel: (patcher) =>
          void patcher.replace(
            () => true,
            () => ({ value: (weight) => weight }),
          ),
      },
      {
        ...method,
        patchModel: (patcher) =>
          void patcher.replace(
            () => false,
            () => ({ value: (weight) => weight }),
          ),
      },
    ];
    const tiny = await tinyModel(tinyLlama, [silent as Method], backends['onnx-cpu']());
    await expect(mergedWeights(tiny.model, tiny.parameters).next()).rejects.toThrow('on the host');
    const { family, config } = tinyLlama;
    expect(() => buildModel({ family, config: family.parseConfig(config), methods: [none as Method] })).toThrow(
      'selects no weight',
    );
  });

  it('keep positions whole, past what float32 holds, and refuse them as anything else', async () => {
    const tiny = await tinyModel(tinyLlama, [fifths()], backends['onnx-cpu']());
    const [method] = tiny.model.methods as [Method];
    const positions = tiny.model.handles.find(({ dtype }) => dtype === 'int32') as Handle;
    const large = new Int32Array(elementCount(positions.shape)).fill(2 ** 24 + 1);
    await tiny.parameters.write(positions, large);
    const { tensors } = await exportAdapter(tiny.model, method, tiny.parameters);
    const files = new Map(tensors.map(({ name, shape, data }) => [name, memoryTensor(name, shape, data)]));
    const source = { names: () => [...files.keys()], get: (name: string) => files.get(name) };
    await importAdapter(tiny.model, method, tiny.parameters, source);
    expect(await tiny.parameters.readArray(positions)).toEqual(large);
    await expect(tiny.parameters.read(positions)).rejects.toThrow('stored as int32');
    const [first] = tensors.filter(({ data }) => data instanceof Int32Array);
    files.set(first?.name as string, memoryTensor(first?.name as string, positions.shape, new Float32Array(large)));
    await expect(importAdapter(tiny.model, method, tiny.parameters, source)).rejects.toThrow('expected I32, got F32');
  });
});
