/**
 * AdaLoRA against PEFT with its `update_and_allocate` after every step: equal losses, gradient norms and weights, the same
 * ranks taken away, and each other's files. Recorded by record_adalora.py; see README.md.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import { type Handle, peftName } from '@tunesmith/core';
import { adalora } from '@tunesmith/lora';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf } from './logits.js';
import {
  expectTensors,
  type Prepared,
  prepareModel,
  type RecordedCase,
  recordedCases,
  takeRecordedSteps,
} from './recorded-steps.js';

const topic = 'adalora';
const cases = recordedCases(topic);

async function load(base: string, path: string): Promise<Prepared> {
  const adapter = await readPeftAdapter(path);
  const method = adalora(adalora.definition.fromPeft?.(adapter.config) ?? {});
  const prepared = await prepareModel(base, method, createOnnxBackend(), adapter.tensors);
  await adapter.close();
  return prepared;
}

describe.each(Object.keys(cases))('%s', (name) => {
  const { base } = cases[name] as RecordedCase;
  const folder = join(fixtures, topic, name);
  const expectLogits = async (loaded: Prepared, state: 'initial' | 'final'): Promise<void> => {
    const ids = (await readFixture(join(fixtures, 'lora-training/batches.safetensors'))).get('probe_ids');
    const expected = (await readFixture(join(folder, 'expected.safetensors'))).get(`probe_logits.${state}`);
    const { data } = await logitsOf(loaded, ids as Float32Array, [2, 16]);
    expect(relativeError(data, expected as Float32Array)).toBeLessThan(1e-5);
  };

  it('takes the same steps as PEFT, and the same ranks away', async () => {
    const loaded = await load(base, join(folder, 'initial'));
    await expectLogits(loaded, 'initial');
    const run = { topic, name, recorded: cases[name] as RecordedCase, batches: 'lora-training' };
    const adapter = await takeRecordedSteps(loaded, run);
    await expectLogits(loaded, 'final');
    const weights = await readFixture(join(folder, 'weights.safetensors'));
    expect(loaded.model.trained.map(({ path }) => peftName(path)).sort()).toEqual([...weights.keys()].sort());
    for (const handle of loaded.model.trained) {
      const values = weights.get(peftName(handle.path)) as Float32Array;
      expect(relativeError(await loaded.parameters.read(handle), values), handle.path).toBeLessThan(1e-4);
    }
    // What decided on the ranks, as it was when they were decided on for the last time.
    const remembered = await readFixture(join(folder, 'importance.safetensors'));
    for (const [path, values] of remembered) {
      const handle = loaded.model.handles.find((each) => each.path === path) as Handle;
      expect(relativeError(await loaded.parameters.read(handle), values), path).toBeLessThan(1e-4);
    }
    const final = await readPeftAdapter(join(folder, 'final'));
    const { rank_pattern, total_step } = final.config;
    expect(adapter.config).toMatchObject({ rank_pattern, total_step });
    await expectTensors(adapter, final.tensors);
    await final.close();
    loaded.parameters.tensors.dispose();
  });

  it("loads PEFT's final adapter", async () => {
    const loaded = await load(base, join(folder, 'final'));
    await expectLogits(loaded, 'final');
    loaded.parameters.tensors.dispose();
  });
});
