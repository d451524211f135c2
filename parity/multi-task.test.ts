/**
 * Several tasks in a run, weighed in each of the ways, against PyTorch: twenty steps from equal weights give each task's losses, the
 * weights of the tasks, and equal adapters. How it was recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import type { Method, ObjectiveFactory, Row, StepEvent } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { dwa, equalWeights, gradnorm, uncertainty } from '@tunesmith/transfer';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { batchRows, expectTensors, prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'multi-task';
const tasks = ['even', 'odd'];
const objectives: Record<string, ObjectiveFactory> = { dwa, equal: equalWeights, gradnorm, uncertainty };

/** Every second row is of the other task, and its early targets weigh nothing. */
async function taskRows(steps: number): Promise<Row[]> {
  const rows = await batchRows('lora-training', steps);
  return rows.map((row, index) => ({
    ...row,
    task: index % 2,
    weights: row.weights.map((weight, at) => (index % 2 === 1 && at < 8 ? 0 : weight)),
  }));
}

describe('tasks are weighed as in PyTorch', () => {
  it.each(Object.entries(recordedCases(topic)))('%s', async (name, recorded) => {
    const objective = (objectives[name] as ObjectiveFactory)({ ...recorded.options, tasks });
    const initial = await readPeftAdapter(join(fixtures, topic, name, 'initial'));
    const method = lora(lora.definition.fromPeft?.(initial.config) ?? {});
    const methods: [Method, ...Method[]] = [method, ...(objective.methods ?? [])];
    const prepared = await prepareModel(recorded.base, methods, createOnnxBackend(), initial.tensors, objective);
    await initial.close();
    const steps: StepEvent[] = [];
    const trained = await takeRecordedSteps(prepared, {
      ...{ topic, name, recorded, rows: await taskRows(recorded.steps), objective },
      groups: [
        ...prepared.model.hooks.flatMap(({ hooks }) => hooks.groups ?? []),
        { match: () => true, decay: recorded.adamw.weight_decay },
      ],
      onStep: (step) => void steps.push(step),
    });
    const expected = await readFixture(join(fixtures, topic, name, 'expected.safetensors'));
    const seen = (term: (task: string) => string): number[] =>
      steps.flatMap(({ terms }) => tasks.map((task) => terms[term(task)] as number));
    expect(
      relativeError(
        seen((task) => task),
        expected.get('tasks') as Float32Array,
      ),
    ).toBeLessThan(1e-5);
    expect(
      relativeError(
        seen((task) => `weight.${task}`),
        expected.get('factors') as Float32Array,
      ),
    ).toBeLessThan(1e-4);
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors(trained, final.tensors);
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
