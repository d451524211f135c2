/**
 * Distillation, learning without forgetting and elastic weight consolidation against their formulas written out in PyTorch: twenty steps from equal weights give
 * equal losses, gradient norms and adapters. What the fixtures hold and how they were recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder, readPeftAdapter } from '@tunesmith/checkpoints';
import {
  buildModel,
  computePriors,
  createExecutableCache,
  createParameterStore,
  loadWeights,
  type Method,
  type Objective,
  type Row,
  sft,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { familyFor } from '@tunesmith/models';
import { distillation, ewc, withoutForgetting } from '@tunesmith/transfer';
import { describe, expect, it } from 'vitest';
import { fixtures } from './fixture-values.js';
import {
  batchRows,
  expectTensors,
  prepareModel,
  type RecordedCase,
  recordedCases,
  takeRecordedSteps,
} from './recorded-steps.js';

const topic = 'transfer';
const teacher = join(fixtures, 'families/gpt2');

function objectiveOf(name: string, { options }: RecordedCase): Objective {
  if (name === 'ewc') return sft;
  return name.startsWith('distillation') ? distillation({ teacher, ...options }) : withoutForgetting(options);
}

/** The rows with what the recorded teacher says of them. */
async function taught(rows: readonly Row[], objective: Objective): Promise<Row[]> {
  if (objective.prior === undefined) return [...rows];
  const folder = await openModelFolder(objective.prior.model as string);
  const family = familyFor(folder.config);
  const model = buildModel({ family, config: family.parseConfig(folder.config) });
  const backend = createOnnxBackend();
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, folder.tensors, parameters);
  await folder.close();
  const executables = createExecutableCache(backend, parameters.tensors);
  const collate = { rows: 4, maxLength: 16, padToken: 0 };
  const result: Row[] = [];
  for await (const prior of computePriors(rows, { model, parameters, objective, executables, collate })) {
    result.push({ ...(rows[result.length] as Row), prior });
  }
  await executables.dispose();
  parameters.tensors.dispose();
  return result;
}

describe('a model follows another as in PyTorch', () => {
  it.each(Object.entries(recordedCases(topic)))('%s', async (name, recorded) => {
    const objective = objectiveOf(name, recorded);
    const initial = await readPeftAdapter(join(fixtures, topic, name, 'initial'));
    const method = lora(lora.definition.fromPeft?.(initial.config) ?? {});
    const methods: [Method, ...Method[]] = name === 'ewc' ? [method, ewc(recorded.options)] : [method];
    const prepared = await prepareModel(recorded.base, methods, createOnnxBackend(), initial.tensors, objective);
    await initial.close();
    const rows = await taught(await batchRows('lora-training', recorded.steps), objective);
    const parts: number[] = [];
    // As recorded: those of the last two batches.
    const earlier = rows.slice(-8);
    const trained = await takeRecordedSteps(prepared, {
      ...{ topic, name, recorded, rows, objective, earlier },
      onStep: ({ terms }) => void parts.push((terms.divergence ?? terms['ewc.penalty']) as number),
    });
    expect(parts).toHaveLength(recorded.steps);
    // The penalty is that of the weights before the step.
    expect(Math.min(...parts.slice(1))).toBeGreaterThan(0);
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors(trained, final.tensors);
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
