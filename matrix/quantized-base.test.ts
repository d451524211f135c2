/** Bases whose matrices are quantised: what is kept how, what it takes, and what becomes of it when merged. */
import {
  adamw,
  buildModel,
  createParameterStore,
  elementCount,
  estimateTraining,
  fourBit,
  type Handle,
  int8,
  linearBlockCodec,
  loadWeights,
  type Method,
  memoryTensor,
  mergeInPlace,
  type Quantization,
  randomKey,
  randomNormal,
  sft,
  type TensorSource,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { llama } from '@tunesmith/models';
import { full } from '@tunesmith/selective';
import { relativeError, tinyModel, trainTiny } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { giveValues } from './give-values.js';
import { tinyFamilies, tinyGpt2, tinyLlama } from './tiny-families.js';

const nf4: Quantization = { codec: fourBit({ type: 'nf4', blockSize: 16, doubleQuantization: true }) };

describe.each(Object.entries(tinyFamilies))('%s', (_, testCase) => {
  it('keeps the matrices of its blocks as codes, and computes with what they stand for', async () => {
    const [over, beside] = [
      lora({ rank: 2, targetModules: 'all-linear' }),
      lora({ rank: 2, targetModules: 'all-linear' }),
    ];
    const quantized = await tinyModel({ ...testCase, quantization: nf4 }, [over], backends['onnx-cpu']());
    const plain = await tinyModel(testCase, [beside], backends['onnx-cpu']());
    const matrices = quantized.model.sites.flatMap((site) => (site.kind === 'linear' ? [site.weightHandle] : []));
    for (const handle of quantized.model.handles) {
      if (handle.owner !== 'base') continue;
      const isMatrix = handle.depth !== null && matrices.includes(handle);
      expect(quantized.parameters.encodingOf(handle) !== undefined, handle.path).toBe(isMatrix);
      const values = await quantized.parameters.read(handle);
      const exact = await plain.parameters.read(handle);
      const error = relativeError(values, exact);
      if (isMatrix) expect(error, handle.path).toBeGreaterThan(0.01);
      // Half the widest gap between two codes is 0.152 of a block's largest value.
      expect(error, handle.path).toBeLessThan(isMatrix ? 0.16 : 1e-9);
      await plain.parameters.write(handle, values.slice());
    }
    const [losses, expected] = [await trainTiny(quantized), await trainTiny(plain)].map((each) =>
      Float32Array.from(each),
    );
    expect(relativeError(losses as Float32Array, expected as Float32Array)).toBeLessThan(1e-5);
  });
});

it.each(['q8_0', 'q4_0', 'q4_1'] as const)(
  'LoRA trains over blocks in %s as over the values that they stand for',
  async (type) => {
    const over = (): Method => lora({ rank: 2, targetModules: 'all-linear' });
    const quantization = { codec: linearBlockCodec({ type }) };
    const blocks = await tinyModel({ ...tinyGpt2, quantization }, [over()], backends['onnx-cpu']());
    const plain = await tinyModel(tinyGpt2, [over()], backends['onnx-cpu']());
    await giveValues(blocks, plain);
    const [losses, expected] = [await trainTiny(blocks), await trainTiny(plain)];
    expect(relativeError(Float32Array.from(losses), Float32Array.from(expected))).toBeLessThan(1e-5);
  },
);

it.each([true, false])(
  'LLM.int8 trains as the values of its codes do, nearly (gradient rounded: %s)',
  async (integerGradient) => {
    const over = (): Method => lora({ rank: 2, targetModules: 'all-linear' });
    const quantization = { codec: int8({ integerGradient }) };
    const rounded = await tinyModel({ ...tinyLlama, quantization }, [over()], backends['onnx-cpu']());
    const plain = await tinyModel(tinyLlama, [over()], backends['onnx-cpu']());
    await giveValues(rounded, plain);
    const [losses, expected] = [await trainTiny(rounded, { steps: 8 }), await trainTiny(plain, { steps: 8 })];
    const error = relativeError(Float32Array.from(losses), Float32Array.from(expected));
    expect(error).toBeGreaterThan(1e-6);
    expect(error).toBeLessThan(5e-3);
  },
);

/** Normal values for each weight of a model, as a checkpoint. */
function randomCheckpoint(handles: readonly Handle[]): TensorSource {
  const byPath = new Map(handles.map((handle) => [handle.path, handle]));
  return {
    names: () => [...byPath.keys()],
    get(path) {
      const handle = byPath.get(path);
      if (handle === undefined) return undefined;
      const key = randomKey(3, path);
      const values = Float32Array.from({ length: elementCount(handle.shape) }, (_, i) => randomNormal(key, i));
      return memoryTensor(path, handle.shape, values);
    },
  };
}

describe('a model with a quantised base', () => {
  it('is loaded from a checkpoint in full precision, at 4.127 bits a parameter', async () => {
    const config = llama.parseConfig({
      ...tinyLlama.config,
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 1,
    });
    const codec = fourBit({ type: 'nf4', doubleQuantization: true });
    const model = buildModel({ family: llama, config, quantization: { codec } });
    const parameters = createParameterStore(backends['onnx-cpu']().createStore());
    await loadWeights(model, randomCheckpoint(model.handles), parameters);
    let [bits, count] = [0, 0];
    for (const handle of model.handles) {
      if (parameters.encodingOf(handle) === undefined) continue;
      count += elementCount(handle.shape);
      for (const { data } of Object.values(await parameters.readParts(handle))) bits += 8 * data.byteLength;
      expect(parameters.tensors.has(handle.key)).toBe(false);
    }
    expect(count).toBeGreaterThan(3e6);
    expect(bits / count / 4.127).toBeGreaterThan(0.98);
    expect(bits / count / 4.127).toBeLessThan(1.02);
  });

  it.each([
    ['NF4', fourBit({ type: 'nf4', blockSize: 16 })],
    ['NF4, double quantisation', fourBit({ type: 'nf4', blockSize: 16, doubleQuantization: true })],
    ['int8', int8()],
    ['Q8_0', linearBlockCodec({ type: 'q8_0' })],
    ['Q4_1', linearBlockCodec({ type: 'q4_1' })],
  ])('is planned at the bytes that it takes (%s)', async (_, codec) => {
    const quantization = { codec };
    const backend = backends['onnx-cpu']();
    const { model, parameters } = await tinyModel({ ...tinyLlama, quantization }, [lora({ rank: 2 })], backend);
    const held = await Promise.all(parameters.tensors.names().map((name) => parameters.tensors.get(name)));
    const options = { model, backend, objective: sft, optimizer: adamw(), batchSize: 2, length: 8 };
    const { weightBytes } = await estimateTraining(options);
    expect(weightBytes).toBe(held.reduce((sum, { data }) => sum + data.byteLength, 0));
  });

  it('leaves modules as they are that are named, and refuses names that match nothing', async () => {
    const build = (exclude: readonly string[]) =>
      tinyModel({ ...tinyLlama, quantization: { ...nf4, exclude } }, [], backends['onnx-cpu']());
    const { model } = await build(['down_proj', 'layers.0.self_attn.q_proj']);
    const kept = model.handles.filter((handle) => model.encodingOf(handle) === undefined).map(({ path }) => path);
    expect(kept).toContain('model.layers.1.mlp.down_proj.weight');
    expect(kept).toContain('model.layers.0.self_attn.q_proj.weight');
    expect(kept).not.toContain('model.layers.1.self_attn.q_proj.weight');
    await expect(build(['dwon_proj'])).rejects.toThrow(/NAME_UNKNOWN at quantization's exclude.*down_proj/);
  });

  it('refuses methods that train the weights themselves, and says why', async () => {
    const building = tinyModel({ ...tinyLlama, quantization: nf4 }, [full()], backends['onnx-cpu']());
    await expect(building).rejects.toThrow(
      /CAPABILITY_MISSING at nf4: the method "full" does not train over a quantised base; got a method that trains/,
    );
  });

  it.each([
    ['llama', tinyLlama],
    ['gpt2', tinyGpt2],
  ])('is merged into only where that may lose something, and is put back (%s)', async (_, testCase) => {
    const tiny = await tinyModel({ ...testCase, quantization: nf4 }, [lora({ rank: 2 })], backends['onnx-cpu']());
    await trainTiny(tiny);
    const { model, parameters } = tiny;
    await expect(mergeInPlace(model, parameters)).rejects.toThrow(/CAPABILITY_MISSING at .*weights kept as nf4/);
    const encoded = model.handles.filter((handle) => parameters.encodingOf(handle) !== undefined);
    const before = await Promise.all(encoded.map((handle) => parameters.readParts(handle)));
    const merged = await mergeInPlace(model, parameters, { allowLossy: true });
    const during = await Promise.all(encoded.map((handle) => parameters.readParts(handle)));
    expect(during).not.toEqual(before);
    await merged.unmerge();
    expect(await Promise.all(encoded.map((handle) => parameters.readParts(handle)))).toEqual(before);
  });
});
