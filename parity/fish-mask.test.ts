/**
 * FishMask against PyTorch written from its paper and code: the same weights are chosen, and twenty steps give equal losses,
 * gradient norms and differences. How it was recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { classification, sft } from '@tunesmith/core';
import { fishMask } from '@tunesmith/selective';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'fish-mask';

describe.each(Object.entries(recordedCases(topic)))('%s', (name, recorded) => {
  it('takes the same steps as torch', async () => {
    const isDecoder = recorded.base.startsWith('families');
    const [batches, objective] = isDecoder ? ['lora-training', sft] : [topic, classification({ labels: 3 })];
    const backend = createOnnxBackend({ device: 'cpu' });
    const prepared = await prepareModel(recorded.base, fishMask(recorded.options), backend, undefined, objective);
    const trained = await takeRecordedSteps(prepared, { topic, name, recorded, batches, objective, groups: [] });

    const final = await readFixture(join(fixtures, topic, name, 'final.safetensors'));
    // A difference is held to the largest of all: what moved little has no more correct digits for that.
    const deltas = [...final].filter(([tensor]) => tensor.endsWith('.delta')).flatMap(([, data]) => [...data]);
    const largest = Math.max(...deltas.map(Math.abs));
    for (const { name: adapterName, data } of trained.tensors) {
      const tensor = adapterName.replace('base_model.model.', '');
      const recordedValues = final.get(tensor) as Float32Array;
      if (tensor.endsWith('.positions')) expect([...data], tensor).toEqual([...recordedValues]);
      else if (tensor.endsWith('.delta')) {
        expect(relativeError([...data, largest], [...recordedValues, largest]), tensor).toBeLessThan(1e-4);
      } else expect(relativeError(data, recordedValues), tensor).toBeLessThan(1e-4);
      final.delete(tensor);
    }
    expect([...final.keys()]).toEqual([]);
    prepared.parameters.tensors.dispose();
  });
});
