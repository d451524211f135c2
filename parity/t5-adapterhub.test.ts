/**
 * Bottleneck adapters on T5 against AdapterHub's `adapters` + torch.optim.AdamW: folders that it saved give its logits, and twenty
 * steps from equal weights give equal losses, gradient norms and weights. Recorded by record_t5_adapterhub.py.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compacter, houlsby } from '@tunesmith/adapter';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openAdapter } from '@tunesmith/checkpoints';
import { type MethodFactory, memoryTensor, seq2seq, type TensorSource } from '@tunesmith/core';
import { methodOfAdapter } from '@tunesmith/runtime';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { answerLogitsOf } from './logits.js';
import { recordedAnswers, rowsOfBatch } from './recorded-answers.js';
import { expectTensors, type Prepared, prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 't5-adapterhub';
const methods = [houlsby, compacter] as unknown as MethodFactory[];
const rows = await recordedAnswers();

async function prepare(name: string, base: string, state: string): Promise<Prepared> {
  const path = join(fixtures, topic, name, state);
  const { format, config, tensors, close } = await openAdapter(path);
  const method = methodOfAdapter({ path, format, config, manifest: null }, methods);
  expect(method.name).toBe(name);
  const whole = await withRules(path, tensors);
  const prepared = await prepareModel(base, method, createOnnxBackend({ device: 'cpu' }), whole, seq2seq);
  await close();
  return prepared;
}

/** A folder's tensors with those that AdapterHub's library forgets to save for T5, which were recorded beside them. */
async function withRules(path: string, tensors: TensorSource): Promise<TensorSource> {
  if (!existsSync(join(path, 'rules.safetensors'))) return tensors;
  const rules = await readFixture(join(path, 'rules.safetensors'));
  return {
    names: () => [...tensors.names(), ...rules.keys()],
    get(name) {
      const rule = rules.get(name);
      return rule === undefined ? tensors.get(name) : memoryTensor(name, [4, 4, 4], rule);
    },
  };
}

describe.each(Object.entries(recordedCases(topic)))('%s', (name, recorded) => {
  it.each(['initial', 'final'])('gives the logits of the %s folder', async (state) => {
    const prepared = await prepare(name, recorded.base, state);
    const expected = await readFixture(join(fixtures, topic, name, 'expected.safetensors'));
    const { data } = await answerLogitsOf(prepared, rows.slice(-rowsOfBatch));
    expect(relativeError(data, expected.get(`probe_logits.${state}`) as Float32Array)).toBeLessThan(1e-5);
    prepared.parameters.tensors.dispose();
  });

  it('takes the same steps as AdapterHub and torch', async () => {
    const prepared = await prepare(name, recorded.base, 'initial');
    const run = { topic, name, recorded, rows: rows.slice(0, -rowsOfBatch), objective: seq2seq };
    const trained = await takeRecordedSteps(prepared, run);
    const final = await openAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors(trained, await withRules(join(fixtures, topic, name, 'final'), final.tensors));
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
