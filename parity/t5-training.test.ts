/**
 * PEFT's methods on T5 against PEFT + torch.optim.AdamW: adapters that PEFT saved give its logits, and twenty steps from equal
 * weights give equal losses, gradient norms and adapters. Recorded by record_t5_training.py.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import {
  createExecutableCache,
  evaluate,
  exportAdapter,
  type MethodFactory,
  type StoredTensor,
  seq2seq,
  type TensorSource,
} from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { lora } from '@tunesmith/lora';
import { prefixTuning, promptTuning } from '@tunesmith/prefix';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { answerLogitsOf } from './logits.js';
import { recordedAnswers, rowsOfBatch } from './recorded-answers.js';
import { expectTensors, type Prepared, prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 't5-training';
const factories: Record<string, MethodFactory> = {
  lora,
  'lora-all': lora,
  ia3,
  prefix: prefixTuning,
  prompt: promptTuning,
} as unknown as Record<string, MethodFactory>;

const rows = await recordedAnswers();

async function prepare(name: string, base: string, state: 'initial' | 'final'): Promise<Prepared> {
  const adapter = await readPeftAdapter(join(fixtures, topic, name, state));
  const factory = factories[name] as MethodFactory;
  const method = factory(factory.definition.fromPeft?.(adapter.config) ?? {});
  const prepared = await prepareModel(base, method, createOnnxBackend({ device: 'cpu' }), adapter.tensors, seq2seq);
  await adapter.close();
  return prepared;
}

describe.each(Object.entries(recordedCases(topic)))('%s', (name, recorded) => {
  it.each(['initial', 'final'] as const)("PEFT's %s adapter gives the recorded logits", async (state) => {
    const prepared = await prepare(name, recorded.base, state);
    const expected = await readFixture(join(fixtures, topic, name, 'expected.safetensors'));
    const { data } = await answerLogitsOf(prepared, rows.slice(-rowsOfBatch));
    expect(relativeError(data, expected.get(`probe_logits.${state}`) as Float32Array)).toBeLessThan(1e-5);
    prepared.parameters.tensors.dispose();
  });

  it('takes the same steps as PEFT and torch, and saves what PEFT does', async () => {
    const prepared = await prepare(name, recorded.base, 'initial');
    const run = { topic, name, recorded, rows: rows.slice(0, -rowsOfBatch), objective: seq2seq };
    await takeRecordedSteps(prepared, run);
    const { config, tensors } = await exportAdapter(prepared.model, prepared.method, prepared.parameters);
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    expect(config).toMatchObject({ task_type: final.config.task_type, peft_type: final.config.peft_type });
    await expectTensors({ config, tensors }, name === 'prompt' ? encoderHalf(final.tensors) : final.tensors);
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});

/** A prompt as PEFT saves it has as many rows again for the decoder, which nothing reads or trains. */
function encoderHalf(source: TensorSource): TensorSource {
  return {
    names: () => source.names(),
    get(name) {
      const tensor = source.get(name);
      const read = async () => {
        const bytes = await (tensor as StoredTensor).read();
        return bytes.slice(0, bytes.length / 2);
      };
      return tensor && { ...tensor, shape: [(tensor.shape[0] as number) / 2, ...tensor.shape.slice(1)], read };
    },
  };
}

it("has transformers' loss of labels that it shifts by itself", async () => {
  const { loss } = JSON.parse(await readFile(join(fixtures, topic, 'label-loss.json'), 'utf8')) as { loss: number };
  const backend = createOnnxBackend({ device: 'cpu' });
  const { model, parameters } = await prepareModel('t5/t5', lora({ rank: 1 }), backend, undefined, seq2seq);
  const executables = createExecutableCache(backend, parameters.tensors);
  const even = rows.slice(0, rowsOfBatch).map((row) => ({
    ...row,
    weights: row.weights.map((_, index) => (index === 0 ? 0 : 1)),
  }));
  const collate = { rows: rowsOfBatch, maxLength: 16, padToken: 0 };
  const evaluation = await evaluate(even, { model, parameters, objective: seq2seq, executables, collate });
  expect(Math.abs(evaluation.loss - loss) / loss).toBeLessThan(1e-5);
  await executables.dispose();
  parameters.tensors.dispose();
});
