/**
 * Embedders against sentence-transformers' losses and pooling over PEFT's LoRA: adapters that PEFT saved over models without a head give
 * its vectors, and twelve steps give its losses, gradient norms and final weights. How it was recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import { contrastive, createExecutableCache, exportAdapter, type Objective, predict, type Row } from '@tunesmith/core';
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

const topic = 'contrastive';
const [rowsOfBatch, drawn, length] = [4, 3, 16];

function objectiveOf({ options: { texts: _, ...options } }: RecordedCase): Objective {
  return contrastive(options);
}

/** The five batches' rows, then those of the probe, of so many of their texts; padding cut off. */
async function recordedRows(texts: number, scored: boolean): Promise<Row[]> {
  const file = await readFixture(join(fixtures, topic, 'batches.safetensors'));
  const [ids, mask, scores] = ['input_ids', 'attention_mask', 'scores'].map((name) => file.get(name)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const textAt = (index: number): Pick<Row, 'tokens' | 'weights'> => {
    const part = (values: Float32Array) => values.subarray(index * length, (index + 1) * length);
    const seen = part(mask).reduce((sum, value) => sum + value, 0);
    return { tokens: Int32Array.from(part(ids).subarray(0, seen)), weights: new Float32Array(seen) };
  };
  return Array.from({ length: scores.length }, (_, row): Row => {
    const [anchor, ...compared] = Array.from({ length: texts }, (_, text) => textAt(row * drawn + text));
    return { ...(anchor as Row), compared, ...(scored && { labels: scores.slice(row, row + 1) }) };
  });
}

async function prepare(name: string, recorded: RecordedCase, state: 'initial' | 'final'): Promise<Prepared> {
  const adapter = await readPeftAdapter(join(fixtures, topic, name, state));
  const method = lora(lora.definition.fromPeft?.(adapter.config) ?? {});
  const backend = createOnnxBackend({ device: 'cpu' });
  const prepared = await prepareModel(recorded.base, method, backend, adapter.tensors, objectiveOf(recorded));
  await adapter.close();
  return prepared;
}

describe.each(Object.entries(recordedCases(topic)))('%s', (name, recorded) => {
  const objective = objectiveOf(recorded);
  const scored = objective.rows === 'similarities';

  it.each(['initial', 'final'] as const)('gives the vectors of the %s adapter', async (state) => {
    const prepared = await prepare(name, recorded, state);
    const probe = (await recordedRows(2, scored)).slice(-rowsOfBatch);
    const executables = createExecutableCache(prepared.backend, prepared.parameters.tensors);
    const expected = await readFixture(join(fixtures, topic, name, 'expected.safetensors'));
    // The last batch of three holds one row; what fills it up changes nothing.
    for (const rows of [rowsOfBatch, 3]) {
      const collate = { rows, maxLength: length, padToken: 1 };
      const vectors: number[] = [];
      for await (const row of predict(probe, { ...prepared, objective, executables, collate })) vectors.push(...row);
      expect(relativeError(vectors, expected.get(`vectors.${state}`) as Float32Array)).toBeLessThan(1e-5);
    }
    await executables.dispose();
    prepared.parameters.tensors.dispose();
  });

  it('takes the same steps as sentence-transformers, PEFT and torch', async () => {
    const prepared = await prepare(name, recorded, 'initial');
    const rows = (await recordedRows(Number(recorded.options.texts), scored)).slice(0, -rowsOfBatch);
    await takeRecordedSteps(prepared, { topic, name, recorded, rows, objective });
    const { config, tensors } = await exportAdapter(prepared.model, prepared.method, prepared.parameters);
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors({ config, tensors }, final.tensors);
    expect(config).toMatchObject({ task_type: 'FEATURE_EXTRACTION', target_modules: final.config.target_modules });
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
