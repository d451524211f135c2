/**
 * LoRA over 4-bit bases against bitsandbytes, PEFT and torch.optim.AdamW: adapters that PEFT saved give PEFT's logits over
 * bitsandbytes' base, and twenty steps give equal losses, gradient norms and final weights. How it was recorded: README.md beside
 * this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import { quantizationOf, quantizationSchema } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf } from './logits.js';
import { expectTensors, type Prepared, prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'qlora-training';

describe.each(Object.entries(recordedCases(topic)))('%s', (name, recorded) => {
  const prepare = async (state: 'initial' | 'final'): Promise<Prepared> => {
    const adapter = await readPeftAdapter(join(fixtures, topic, name, state));
    const method = lora(lora.definition.fromPeft?.(adapter.config) ?? {});
    const quantization = quantizationOf(quantizationSchema.parse(recorded.options));
    const prepared = await prepareModel(
      ...([recorded.base, method, createOnnxBackend(), adapter.tensors, undefined, quantization] as const),
    );
    await adapter.close();
    return prepared;
  };

  it.each(['initial', 'final'] as const)('gives the logits of the %s adapter', async (state) => {
    const prepared = await prepare(state);
    const ids = (await readFixture(join(fixtures, 'lora-training', 'batches.safetensors'))).get('probe_ids');
    const expected = await readFixture(join(fixtures, topic, name, 'expected.safetensors'));
    const { data } = await logitsOf(prepared, ids as Float32Array, [2, 16]);
    expect(relativeError(data, expected.get(`probe_logits.${state}`) as Float32Array)).toBeLessThan(1e-5);
    prepared.parameters.tensors.dispose();
  });

  it('takes the same steps as bitsandbytes, PEFT and torch', async () => {
    const prepared = await prepare('initial');
    const trained = await takeRecordedSteps(prepared, { topic, name, recorded, batches: 'lora-training' });
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors(trained, final.tensors);
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
