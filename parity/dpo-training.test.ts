/**
 * DPO against TRL's DPOTrainer: twenty steps of each loss from equal weights give equal losses, gradient norms, rewards and
 * adapters. What the fixtures hold and how they were recorded: README.md beside this file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openSafetensors, readPeftAdapter } from '@tunesmith/checkpoints';
import type { Row } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { dpo, type dpoConfigSchema } from '@tunesmith/rlhf-dpo';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fixtures, relativeError } from './fixture-values.js';
import {
  expectTensors,
  prepareModel,
  type RecordedCase,
  recordedCases,
  takeRecordedSteps,
  values,
} from './recorded-steps.js';

const topic = 'dpo-training';
const cases = recordedCases(topic);
const ids = z.array(z.int());
const pairs = z
  .array(z.object({ prompt_ids: ids, chosen_ids: ids, rejected_ids: ids }))
  .parse(JSON.parse(readFileSync(join(fixtures, topic, 'pairs.json'), 'utf8')));
const rows = pairs.map(({ prompt_ids: prompt, chosen_ids: chosen, rejected_ids: rejected }): Row => {
  const text = (answer: readonly number[]): Pick<Row, 'tokens' | 'weights'> => ({
    tokens: Int32Array.from([...prompt, ...answer]),
    weights: new Float32Array(prompt.length + answer.length).fill(1, prompt.length),
  });
  return { ...text(chosen), rejected: text(rejected) };
});

describe('DPO takes the same steps as TRL', () => {
  it.each(Object.keys(cases))('%s', async (name) => {
    const recorded = cases[name] as RecordedCase;
    const objective = dpo(recorded.options as z.input<typeof dpoConfigSchema>);
    const initial = await readPeftAdapter(join(fixtures, topic, name, 'initial'));
    const method = lora(lora.definition.fromPeft?.(initial.config) ?? {});
    const prepared = await prepareModel(recorded.base, method, createOnnxBackend(), initial.tensors, objective);
    await initial.close();
    const seen: Record<string, number[]> = {};
    const trained = await takeRecordedSteps(prepared, {
      ...{ topic, name, recorded, rows, objective },
      onStep({ step, loss, terms }) {
        // The model is its own reference as long as the update is zero.
        if (name === 'sigmoid' && step === 1) expect(loss).toBe(Math.fround(Math.LN2));
        for (const [term, value] of Object.entries(terms)) seen[term] = [...(seen[term] ?? []), value];
      },
    });
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors(trained, final.tensors);
    await final.close();
    const expected = await openSafetensors(join(fixtures, topic, name, 'expected.safetensors'));
    expect(Object.keys(seen)).toHaveLength(6);
    for (const [metric, each] of Object.entries(seen)) {
      expect(relativeError(each, await values(expected, metric.replace('/', '.'))), metric).toBeLessThan(1e-4);
    }
    await expected.close();
    prepared.parameters.tensors.dispose();
  });
});
