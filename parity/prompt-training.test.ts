/**
 * Prefix tuning, prompt tuning and P-tuning against PEFT + torch.optim.AdamW: adapters that PEFT saved give its logits, and
 * twenty steps from equal encoders give equal losses, encoders and adapters. Recorded by record_prompt_training.py.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import { addVirtualTokens, type Method, type MethodFactory } from '@tunesmith/core';
import { prefixTuning, promptTuning, pTuning, pTuningV2 } from '@tunesmith/prefix';
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

const topic = 'prompt-training';
const batches = 'lora-training';
const cases = recordedCases(topic);

/** What trains a case, and what reads PEFT's file of it. */
const methods: Record<string, { train: Method; reader: MethodFactory }> = {
  'llama-prefix': { train: prefixTuning({ virtualTokens: 5 }), reader: prefixTuning },
  'llama-prefix-projection': {
    train: prefixTuning({ virtualTokens: 5, projection: true, projectionSize: 12 }),
    reader: prefixTuning,
  },
  'gpt2-prefix': { train: prefixTuning({ virtualTokens: 5 }), reader: prefixTuning },
  'mistral-sliding-prefix': { train: prefixTuning({ virtualTokens: 5 }), reader: prefixTuning },
  'llama-prompt': { train: promptTuning({ virtualTokens: 5 }), reader: promptTuning },
  'gpt2-prompt': { train: promptTuning({ virtualTokens: 5 }), reader: promptTuning },
  'llama-p-tuning-mlp': { train: pTuning({ virtualTokens: 5, encoderSize: 12 }), reader: pTuning },
  'gpt2-p-tuning-lstm': {
    train: pTuning({ virtualTokens: 5, encoder: 'lstm', encoderSize: 6, encoderLayers: 2 }),
    reader: pTuning,
  },
};

/** Without dropout P-tuning v2 is prefix tuning, whose steps it must take. */
const v2 = { virtualTokens: 5, dropout: 0 };
const runs = [
  ...Object.entries(methods).map(([name, { train }]) => ({ what: name, name, method: train })),
  { what: 'P-tuning v2', name: 'llama-prefix', method: pTuningV2(v2) },
  {
    what: 'P-tuning v2 with a projection',
    name: 'llama-prefix-projection',
    method: pTuningV2({ ...v2, projection: true, projectionSize: 12 }),
  },
];

const backend = createOnnxBackend({ device: 'cpu' });
const probeIds = (await readFixture(join(fixtures, batches, 'batches.safetensors'))).get('probe_ids') as Float32Array;

describe.each(Object.entries(methods))("PEFT's %s", (name, { reader }) => {
  it.each(['initial', 'final'])('%s adapter gives the recorded logits', async (state) => {
    const adapter = await readPeftAdapter(join(fixtures, topic, name, state));
    const method = reader(reader.definition.fromPeft?.(adapter.config) ?? {});
    const prepared = await prepareModel(cases[name]?.base as string, method, backend, adapter.tensors);
    await adapter.close();
    await expectProbe(prepared, name, state, 1e-5);
    prepared.parameters.tensors.dispose();
  });
});

describe.each(runs)('$what', ({ name, method }) => {
  it('takes the same steps as PEFT and torch', async () => {
    const recorded = cases[name] as RecordedCase;
    const prepared = await prepareModel(recorded.base, method, backend);
    const { model, parameters } = prepared;
    const [initial, final] = await Promise.all(
      ['initial', 'final'].map((state) => readFixture(join(fixtures, topic, name, state, 'encoder.safetensors'))),
    );
    for (const handle of model.trained) {
      await parameters.write(handle, Float32Array.from(initial?.get(encoderName(handle.path)) ?? []));
    }
    const saved = await takeRecordedSteps(prepared, { topic, name, recorded, batches });
    expect(model.trained.length).toBe(final?.size);
    for (const handle of model.trained) {
      const expected = final?.get(encoderName(handle.path)) as Float32Array;
      expect(relativeError(await parameters.read(handle), expected), handle.path).toBeLessThan(1e-4);
    }
    const file = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors(saved, file.tensors);
    await file.close();
    await expectProbe(prepared, name, 'final', 1e-4);
    parameters.tensors.dispose();
  });
});

/** A parameter's name in the recorded encoder: PEFT has an embedding where there is nothing to compute. */
function encoderName(path: string): string {
  return path === 'prompt_embeddings' ? 'embedding.weight' : path.replace('prompt_embeddings.', '');
}

/** Compares the logits `[2, 16, vocabulary]` of the recorded texts, behind what the method puts before them. */
async function expectProbe(prepared: Prepared, name: string, state: string, tolerance: number): Promise<void> {
  const before = prepared.model.virtualTokens.length;
  const rows = [0, 1].flatMap((row) => {
    const tokens = Int32Array.from(probeIds.subarray(16 * row, 16 * (row + 1)));
    return [...addVirtualTokens(prepared.model, { tokens, weights: new Float32Array(16) }).tokens];
  });
  const { data, shape } = await logitsOf(prepared, rows, [2, before + 16]);
  const width = shape.at(-1) as number;
  const [first, second] = [0, before + 16].map((start) =>
    data.subarray((start + before) * width, (start + before + 16) * width),
  ) as [Float32Array, Float32Array];
  const expected = await readFixture(join(fixtures, topic, name, 'expected.safetensors'));
  const recorded = expected.get(`probe_logits.${state}`) as Float32Array;
  expect(relativeError([...first, ...second], recorded)).toBeLessThan(tolerance);
}
