/** Mixtures of experts made of dense models, against what transformers says of these: logits stay as they were. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder, openSafetensors, writeModelFolder } from '@tunesmith/checkpoints';
import { buildModel, createParameterStore, loadWeights, type StoredTensor, type TensorSource } from '@tunesmith/core';
import { mixtral, upcycle } from '@tunesmith/models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtures, relativeError } from './fixture-values.js';
import { logitsOf } from './logits.js';
import { values } from './recorded-steps.js';

const options = { experts: 4, topK: 2, seed: 3 };
let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-upcycle-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const dense = (name: string) => openModelFolder(join(fixtures, 'families', name));

describe.each(['llama', 'llama-tied', 'llama3-rope', 'mistral', 'mistral-sliding'])('%s', (name) => {
  it("has the dense model's logits, whichever experts a token has", async () => {
    const { config, tensors } = await dense(name);
    const made = upcycle(config, tensors, options);
    const path = join(home, name);
    await writeModelFolder(path, { config: made.config as typeof config, tensors: made.tensors });
    const written = await openModelFolder(path);
    const model = buildModel({ family: mixtral, config: mixtral.parseConfig(written.config) });
    const backend = createOnnxBackend({ device: 'cpu' });
    const parameters = createParameterStore(backend.createStore());
    await loadWeights(model, written.tensors, parameters);
    const expected = await openSafetensors(join(fixtures, 'families', name, 'expected.safetensors'));
    const shape = expected.get('input_ids')?.shape as [number, number];
    const { data } = await logitsOf({ model, parameters, backend }, await values(expected, 'input_ids'), shape);
    expect(relativeError(data, await values(expected, 'logits'))).toBeLessThan(1e-5);
    const gates = [0, 1].map((layer) => values(written.tensors, `model.layers.${layer}.block_sparse_moe.gate.weight`));
    const [first, second] = await Promise.all(gates);
    expect(relativeError(first as Float32Array, second as Float32Array)).toBeGreaterThan(0.1);
    expect(Math.max(...(first as Float32Array).map(Math.abs))).toBeLessThan(0.12);
    parameters.tensors.dispose();
  });
});

describe('what a Mixtral has not', () => {
  const none: TensorSource = { names: () => [], get: () => undefined as StoredTensor | undefined };

  it('is refused, by name', async () => {
    const { config } = await dense('llama');
    const { config: biased } = await dense('qwen2');
    expect(() => upcycle(biased, none, options)).toThrow(/model_type.*expected llama or mistral, got qwen2/s);
    expect(() => upcycle({ ...config, mlp_bias: true }, none, options)).toThrow(/Mixtral has no biases.*mlp_bias/s);
    expect(() => upcycle(config, none, { ...options, topK: 5 })).toThrow(/expected 1 to 4, got 5/);
  });
});
