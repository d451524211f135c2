/** Steps over the pairs of answers that recorders saw, from a recorded adapter, held to what was recorded of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openSafetensors, readPeftAdapter } from '@tunesmith/checkpoints';
import type { Objective, Row, StepEvent } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { expect } from 'vitest';
import { z } from 'zod';
import { fixtures, relativeError } from './fixture-values.js';
import { expectTensors, prepareModel, type RecordedCase, takeRecordedSteps, values } from './recorded-steps.js';

export interface RecordedPairsRun {
  readonly topic: string;
  readonly name: string;
  readonly recorded: RecordedCase;
  readonly objective: Objective;
  /** What the recorder saw, where that is not the pairs. */
  readonly rows?: readonly Row[];
  /** What must have been recorded of the steps, among others. */
  readonly metrics?: readonly string[];
  readonly onStep?: (event: StepEvent) => void;
}

/** Takes the steps of `fixtures/<topic>/<name>` with LoRA: losses, norms, the adapter, and every metric that was recorded. */
export async function takePairSteps({
  topic,
  name,
  recorded,
  objective,
  rows = recordedPairs(),
  metrics: least = ['rewards.chosen', 'rewards.rejected', 'logps.rejected'],
  onStep,
}: RecordedPairsRun): Promise<void> {
  const initial = await readPeftAdapter(join(fixtures, topic, name, 'initial'));
  const method = lora(lora.definition.fromPeft?.(initial.config) ?? {});
  const prepared = await prepareModel(recorded.base, method, createOnnxBackend(), initial.tensors, objective);
  await initial.close();
  const seen: Record<string, number[]> = {};
  const trained = await takeRecordedSteps(prepared, {
    ...{ topic, name, recorded, rows, objective },
    onStep(event) {
      onStep?.(event);
      for (const [term, value] of Object.entries(event.terms)) seen[term] = [...(seen[term] ?? []), value];
    },
  });
  const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
  await expectTensors(trained, final.tensors);
  await final.close();
  const expected = await openSafetensors(join(fixtures, topic, name, 'expected.safetensors'));
  const metrics = expected.names().filter((each) => each !== 'losses' && each !== 'gradient_norms');
  expect(metrics).toEqual(expect.arrayContaining([...least]));
  for (const metric of metrics) {
    const each = seen[metric.replace('.', '/')];
    expect(relativeError(each ?? [], await values(expected, metric)), metric).toBeLessThan(1e-4);
  }
  await expected.close();
  prepared.parameters.tensors.dispose();
}

/** dpo-training's pairs. */
export function recordedPairs(): Row[] {
  const ids = z.array(z.int());
  const file = readFileSync(join(fixtures, 'dpo-training/pairs.json'), 'utf8');
  const recorded = z.array(z.object({ prompt_ids: ids, chosen_ids: ids, rejected_ids: ids })).parse(JSON.parse(file));
  return recorded.map(({ prompt_ids: prompt, chosen_ids: chosen, rejected_ids: rejected }): Row => {
    return { ...answered(prompt, chosen), rejected: answered(prompt, rejected) };
  });
}

/** A prompt and an answer, whose tokens are learnt. */
export function answered(prompt: readonly number[], answer: readonly number[]): Pick<Row, 'tokens' | 'weights'> {
  const tokens = Int32Array.from([...prompt, ...answer]);
  return { tokens, weights: new Float32Array(tokens.length).fill(1, prompt.length) };
}
