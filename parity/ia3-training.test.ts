/**
 * IA³ against PEFT + torch.optim.AdamW: adapters that PEFT saved give PEFT's logits, and twenty steps from equal vectors
 * give equal losses, gradient norms and final vectors. How it was recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import { ia3 } from '@tunesmith/ia3';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf } from './logits.js';
import { expectTensors, type Prepared, prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'ia3-training';

async function prepare(name: string, base: string, state: 'initial' | 'final'): Promise<Prepared> {
  const adapter = await readPeftAdapter(join(fixtures, topic, name, state));
  const method = ia3(ia3.definition.fromPeft?.(adapter.config) ?? {});
  const prepared = await prepareModel(base, method, createOnnxBackend({ device: 'cpu' }), adapter.tensors);
  await adapter.close();
  return prepared;
}

describe.each(Object.entries(recordedCases(topic)))('%s', (name, recorded) => {
  it.each(['initial', 'final'] as const)('gives the logits of the %s adapter', async (state) => {
    const prepared = await prepare(name, recorded.base, state);
    const ids = (await readFixture(join(fixtures, topic, 'batches.safetensors'))).get('probe_ids') as Float32Array;
    const expected = await readFixture(join(fixtures, topic, name, 'expected.safetensors'));
    const { data } = await logitsOf(prepared, ids, [2, 16]);
    expect(relativeError(data, expected.get(`probe_logits.${state}`) as Float32Array)).toBeLessThan(1e-5);
    prepared.parameters.tensors.dispose();
  });

  it('takes the same steps as PEFT and torch', async () => {
    const prepared = await prepare(name, recorded.base, 'initial');
    const trained = await takeRecordedSteps(prepared, { topic, name, recorded });
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors(trained, final.tensors);
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
