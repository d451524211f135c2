/**
 * Methods that train the model's own weights against PyTorch written from their papers: twenty steps give equal losses,
 * gradient norms and final weights. How they were recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openSafetensors } from '@tunesmith/checkpoints';
import { adamw, createTrainer, type MethodFactory, type TrainerCheckpoint } from '@tunesmith/core';
import { bitfit, freeze, gradualUnfreezing, llrd } from '@tunesmith/selective';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf } from './logits.js';
import { expectTensors, prepareModel, recordedCases, recordedRows, takeRecordedSteps } from './recorded-steps.js';

const topic = 'selective-training';
const batches = 'lora-training';
const cases = recordedCases(topic);
const methods = new Map(
  ([bitfit, freeze, llrd, gradualUnfreezing] as MethodFactory[]).map((factory) => [factory.definition.name, factory]),
);

function prepare(name: string) {
  const { base, method = '', options } = cases[name] as (typeof cases)[string];
  const factory = methods.get(method) as MethodFactory;
  return prepareModel(base, factory(options), createOnnxBackend({ device: 'cpu' }));
}

const expected = (name: string) => readFixture(join(fixtures, topic, name, 'expected.safetensors'));

/** A fused projection's bias: query, key, value. */
const isFused = (name: string): boolean => name.endsWith('c_attn.bias');
const third = (values: Float32Array, part: 0 | 1 | 2): Float32Array =>
  values.slice((part * values.length) / 3, ((part + 1) * values.length) / 3);
const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

type Trained = Awaited<ReturnType<typeof takeRecordedSteps>>;

/** Takes out of an adapter what AdamW makes of the key biases' gradients: rounding, here and there. */
function withRecordedKeyBiases(trained: Trained, final: ReadonlyMap<string, Float32Array>): Trained {
  const tensors = trained.tensors.map((tensor) => {
    if (!isFused(tensor.name)) return tensor;
    const data = tensor.data.slice();
    const recorded = final.get(moduleName(tensor.name)) as Float32Array;
    data.set(third(recorded, 1), data.length / 3);
    return { ...tensor, data };
  });
  return { ...trained, tensors };
}

const moduleName = (adapterName: string): string => adapterName.replace('base_model.model.', '');

describe.each(Object.entries(cases))('%s', (name, recorded) => {
  it('takes the same steps as torch', async () => {
    const prepared = await prepare(name);
    const trained = await takeRecordedSteps(prepared, { topic, name, recorded, batches, groups: [] });
    const path = join(fixtures, topic, name, 'final.safetensors');
    const final = await openSafetensors(path);
    await expectTensors(withRecordedKeyBiases(trained, await readFixture(path)), final, moduleName);
    await final.close();

    const ids = (await readFixture(join(fixtures, batches, 'batches.safetensors'))).get('probe_ids') as Float32Array;
    const { data } = await logitsOf(prepared, ids, [2, 16]);
    const logits = (await expected(name)).get('probe_logits.final') as Float32Array;
    expect(relativeError(data, logits)).toBeLessThan(1e-4);
    prepared.parameters.tensors.dispose();
  });
});

describe('a bias of attention keys', () => {
  it('has the gradient of torch, which is rounding', async () => {
    const name = 'gpt2-bitfit';
    const { model, parameters, backend } = await prepare(name);
    const saved: TrainerCheckpoint[] = [];
    const save = async (checkpoint: TrainerCheckpoint): Promise<void> => void saved.push(structuredClone(checkpoint));
    const trainer = await createTrainer({
      ...(await recordedRows(batches, 1)),
      ...{ model, parameters, backend, optimizer: adamw(), learningRate: 0, weightDecay: 0, steps: 1 },
      checkpoints: { store: { save }, every: 1 },
    });
    for await (const _ of trainer.run());
    await trainer.dispose();
    const gradients = [...(await expected(name))].filter(([key]) => key.startsWith('gradient.'));
    expect(gradients).toHaveLength(2);
    for (const [key, gradient] of gradients) {
      const path = key.slice('gradient.'.length);
      const mean = saved[0]?.tensors.find((tensor) => tensor.name === `optimizer/mean/bitfit/${path}`)?.data;
      const own = (mean as Float32Array).map((value) => value / 0.1); // Adam's first mean is (1 − β₁)·g
      for (const part of [0, 2] as const)
        expect(relativeError(third(own, part), third(gradient, part))).toBeLessThan(1e-5);
      for (const values of [own, gradient]) expect(largest(third(values, 1))).toBeLessThan(1e-6 * largest(gradient));
    }
    parameters.tensors.dispose();
  });
});
