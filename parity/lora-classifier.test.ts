/**
 * LoRA on classifiers of sequences against PEFT + torch.optim.AdamW, the head trained and saved beside it: adapters that
 * PEFT saved give its logits, and twenty steps give its losses, gradient norms and final weights. How it was recorded:
 * README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import {
  classification,
  createExecutableCache,
  exportAdapter,
  type Objective,
  type ProblemType,
  predict,
  type Row,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import {
  expectTensors,
  type Prepared,
  prepareModel,
  type RecordedCase,
  recordedCases,
  takeRecordedSteps,
} from './recorded-steps.js';

const topic = 'lora-classifier';
const [rowsOfBatch, length, labels] = [4, 16, 3];

/** What transformers calls a problem, and the batches' entry that says what is right. */
const problems: Record<string, { problemType: ProblemType; entry: string }> = {
  single_label_classification: { problemType: 'single-label', entry: 'classes' },
  multi_label_classification: { problemType: 'multi-label', entry: 'several' },
  regression: { problemType: 'regression', entry: 'targets' },
};

function problemOf({ options }: RecordedCase): { objective: Objective; entry: string } {
  const { problemType, entry } = problems[String(options.problem)] as (typeof problems)[string];
  return { objective: classification({ labels, problemType }), entry };
}

/** The five batches' rows, then those of the probe; padding cut off. */
async function recordedRows(recorded: RecordedCase): Promise<Row[]> {
  const file = await readFixture(join(fixtures, topic, 'batches.safetensors'));
  const get = (name: string): Float32Array => file.get(name) as Float32Array;
  const wanted = get(problemOf(recorded).entry);
  const width = (wanted.length * length) / get('input_ids').length;
  const [ids, mask, types] = ['input_ids', 'attention_mask', 'token_type_ids'].map(get) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return Array.from({ length: ids.length / length }, (_, row): Row => {
    const part = (values: Float32Array) => values.slice(row * length, (row + 1) * length);
    const seen = part(mask).reduce((sum, value) => sum + value, 0);
    return {
      tokens: Int32Array.from(part(ids).subarray(0, seen)),
      weights: new Float32Array(seen),
      ...(recorded.base.endsWith('/bert') ? { tokenTypes: Int32Array.from(part(types).subarray(0, seen)) } : {}),
      labels: wanted.slice(row * width, (row + 1) * width),
    };
  });
}

async function prepare(name: string, recorded: RecordedCase, state: 'initial' | 'final'): Promise<Prepared> {
  const adapter = await readPeftAdapter(join(fixtures, topic, name, state));
  const method = lora(lora.definition.fromPeft?.(adapter.config) ?? {});
  const backend = createOnnxBackend({ device: 'cpu' });
  const prepared = await prepareModel(recorded.base, method, backend, adapter.tensors, problemOf(recorded).objective);
  await adapter.close();
  return prepared;
}

describe.each(Object.entries(recordedCases(topic)))('%s', (name, recorded) => {
  const { objective } = problemOf(recorded);

  it.each(['initial', 'final'] as const)('gives the logits of the %s adapter', async (state) => {
    const prepared = await prepare(name, recorded, state);
    const { model, parameters, backend } = prepared;
    const probe = (await recordedRows(recorded)).slice(-rowsOfBatch);
    const executables = createExecutableCache(backend, parameters.tensors);
    const collate = { rows: rowsOfBatch, maxLength: length, padToken: 1 };
    const logits: number[] = [];
    for await (const row of predict(probe, { model, parameters, objective, executables, collate })) logits.push(...row);
    const expected = await readFixture(join(fixtures, topic, name, 'expected.safetensors'));
    expect(relativeError(logits, expected.get(`probe_logits.${state}`) as Float32Array)).toBeLessThan(1e-5);
    await executables.dispose();
    parameters.tensors.dispose();
  });

  it('takes the same steps as PEFT and torch', async () => {
    const prepared = await prepare(name, recorded, 'initial');
    const rows = (await recordedRows(recorded)).slice(0, -rowsOfBatch);
    await takeRecordedSteps(prepared, { topic, name, recorded, rows, objective });
    const { config, tensors } = await exportAdapter(prepared.model, prepared.method, prepared.parameters);
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors({ config, tensors }, final.tensors);
    expect(config).toMatchObject({
      task_type: final.config.task_type,
      modules_to_save: expect.arrayContaining(['classifier']),
    });
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
