/**
 * FAR against PyTorch written from its paper: twenty steps choose the same nodes, and give equal losses, gradient norms and
 * final weights. How it was recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { mergedWeights } from '@tunesmith/core';
import { far } from '@tunesmith/selective';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf } from './logits.js';
import { prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'far-training';
const batches = 'lora-training';

describe.each(Object.entries(recordedCases(topic)))('%s', (name, recorded) => {
  const file = (content: string) => readFixture(join(fixtures, topic, name, `${content}.safetensors`));

  it('takes the same steps as torch', async () => {
    const prepared = await prepareModel(recorded.base, far(recorded.options), createOnnxBackend({ device: 'cpu' }));
    const { model, parameters } = prepared;
    await takeRecordedSteps(prepared, { topic, name, recorded, batches, groups: [] });

    const learners = [...(await file('learners'))].map(([path, nodes]) => [path, [...nodes]]);
    expect(model.stage?.memory).toEqual(Object.fromEntries(learners));

    const final = await file('final');
    for await (const { handle, values } of mergedWeights(model, parameters)) {
      const expected = final.get(handle.path);
      if (expected === undefined) continue;
      expect(relativeError(values, expected), handle.path).toBeLessThan(1e-4);
      final.delete(handle.path);
    }
    expect([...final.keys()]).toEqual([]);

    const ids = (await readFixture(join(fixtures, batches, 'batches.safetensors'))).get('probe_ids') as Float32Array;
    const { data } = await logitsOf(prepared, ids, [2, 16]);
    const logits = (await file('expected')).get('probe_logits.final') as Float32Array;
    expect(relativeError(data, logits)).toBeLessThan(1e-4);
    parameters.tensors.dispose();
  });
});
