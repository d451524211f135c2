/**
 * Domain-adversarial training of LoRA on a classifier against PyTorch: twenty steps from equal weights give equal losses of labels and
 * of domains, gradient norms and adapters. How it was recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import type { Row, StepEvent } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { dann } from '@tunesmith/transfer';
import { expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { expectTensors, prepareModel, type RecordedCase, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'dann';
const length = 16;

/** The five batches' rows of lora-classifier; every second one has no label. */
async function domainRows(): Promise<Row[]> {
  const file = await readFixture(join(fixtures, 'lora-classifier', 'batches.safetensors'));
  const [ids, mask, types, classes] = ['input_ids', 'attention_mask', 'token_type_ids', 'classes'].map(
    (name) => file.get(name) as Float32Array,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  return Array.from({ length: 20 }, (_, row): Row => {
    const part = (values: Float32Array) => values.slice(row * length, (row + 1) * length);
    const seen = part(mask).reduce((sum, value) => sum + value, 0);
    return {
      tokens: Int32Array.from(part(ids).subarray(0, seen)),
      weights: new Float32Array(seen),
      tokenTypes: Int32Array.from(part(types).subarray(0, seen)),
      ...(row % 2 === 0 && { labels: classes.slice(row, row + 1) }),
    };
  });
}

it('takes the same steps as PyTorch with a reversed gradient', async () => {
  const recorded = recordedCases(topic).bert as RecordedCase;
  const objective = dann({ ...recorded.options, labels: 3 });
  const initial = await readPeftAdapter(join(fixtures, topic, 'bert', 'initial'));
  const method = lora(lora.definition.fromPeft?.(initial.config) ?? {});
  const methods = [method, ...(objective.methods ?? [])] as const;
  const prepared = await prepareModel(recorded.base, methods, createOnnxBackend(), initial.tensors, objective);
  await initial.close();
  const expected = await readFixture(join(fixtures, topic, 'bert', 'expected.safetensors'));
  for (const handle of prepared.model.handles) {
    if (handle.owner !== 'domain-classifier') continue;
    await prepared.parameters.write(handle, expected.get(handle.path) as Float32Array);
  }
  const steps: StepEvent[] = [];
  const rows = await domainRows();
  const onStep = (step: StepEvent): void => void steps.push(step);
  const trained = await takeRecordedSteps(prepared, { topic, name: 'bert', recorded, rows, objective, onStep });
  const term = (name: string): number[] => steps.map(({ terms }) => terms[name] as number);
  const domains = term('domain.source').flatMap((source, step) => [source, term('domain.target')[step] as number]);
  expect(relativeError(domains, expected.get('domains') as Float32Array)).toBeLessThan(1e-5);
  expect(term('domain.accuracy')).toEqual([...(expected.get('accuracies') as Float32Array)]);
  // The adapter and the head, and nothing of the domain classifier's.
  const final = await readPeftAdapter(join(fixtures, topic, 'bert', 'final'));
  await expectTensors(trained, final.tensors);
  await final.close();
  prepared.parameters.tensors.dispose();
});
