/**
 * Bottleneck adapters against AdapterHub's `adapters` + torch.optim.AdamW, on BERT with a classifier, Llama and GPT-2: folders
 * that it saved give its logits, and twenty steps from equal weights give equal losses, gradient norms and final weights.
 * How it was recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { compacter, compacterPlusPlus, houlsby, parallel, pfeiffer, scaledParallel } from '@tunesmith/adapter';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openAdapter } from '@tunesmith/checkpoints';
import { classification, type MethodFactory, type Objective, sft } from '@tunesmith/core';
import { methodOfAdapter } from '@tunesmith/runtime';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf, scoresOf } from './logits.js';
import { expectTensors, type Prepared, prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'adapterhub-training';
const methods = [
  houlsby,
  pfeiffer,
  parallel,
  scaledParallel,
  compacter,
  compacterPlusPlus,
] as unknown as MethodFactory[];

async function prepare(name: string, base: string, state: string, objective: Objective): Promise<Prepared> {
  const path = join(fixtures, topic, name, state);
  const adapter = await openAdapter(path);
  const { format, config } = adapter;
  const method = methodOfAdapter({ path, format, config, manifest: null }, methods);
  expect(name.endsWith(`-${method.name}`)).toBe(true);
  const prepared = await prepareModel(base, method, createOnnxBackend({ device: 'cpu' }), adapter.tensors, objective);
  await adapter.close();
  return prepared;
}

/** Mix-and-match is two methods, and has mix-and-match.test.ts. */
const cases = Object.entries(recordedCases(topic)).filter(([name]) => !name.endsWith('-mam'));

describe.each(cases)('%s', (name, recorded) => {
  const classifies = name.startsWith('bert');
  const objective = classifies ? classification({ labels: 3 }) : sft;

  it.each(['initial', 'final'])('gives the logits of the %s folder', async (state) => {
    const prepared = await prepare(name, recorded.base, state, objective);
    const ids = (await readFixture(join(fixtures, topic, 'batches.safetensors'))).get('probe_ids') as Float32Array;
    const expected = await readFixture(join(fixtures, topic, name, 'expected.safetensors'));
    const { data } = await (classifies ? scoresOf : logitsOf)(prepared, ids, [2, 16]);
    expect(relativeError(data, expected.get(`probe_logits.${state}`) as Float32Array)).toBeLessThan(1e-5);
    prepared.parameters.tensors.dispose();
  });

  it('takes the same steps as AdapterHub and torch', async () => {
    const prepared = await prepare(name, recorded.base, 'initial', objective);
    const trained = await takeRecordedSteps(prepared, { topic, name, recorded, objective });
    const final = await openAdapter(join(fixtures, topic, name, 'final'));
    const { names, get } = final.tensors;
    // AdapterHub has the classifier in a file of its own.
    const head = classifies ? ['classifier.weight', 'classifier.bias'] : [];
    await expectTensors(trained, { names: () => [...names(), ...head], get });
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
