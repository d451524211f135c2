/**
 * PPO against TRL's trainer: twenty steps over given answers and rewards, in several epochs and minibatches, give equal losses, gradient
 * norms, adapters and heads of values. How they were recorded: README.md beside this file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openSafetensors, readPeftAdapter } from '@tunesmith/checkpoints';
import type { Objective, Rollouts } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { ppoWith } from '@tunesmith/rlhf-dpo';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fixtures, relativeError } from './fixture-values.js';
import { givenRollout, recordedRollouts } from './recorded-rollouts.js';
import { expectTensors, prepareModel, recordedCases, takeRecordedSteps, values } from './recorded-steps.js';

const topic = 'ppo-training';
const [answers, maxNewTokens, stepsEach] = [16, 8, 4];
const read = (file: string): unknown => JSON.parse(readFileSync(join(fixtures, topic, file), 'utf8'));
const kinds = z.object({ short: z.array(givenRollout), whole: z.array(givenRollout) }).parse(read('rollouts.json'));
const divisions = z
  .object({ cases: z.record(z.string(), z.object({ epochs: z.int(), answers: z.enum(['short', 'whole']) })) })
  .parse(read('meta.json')).cases;

/** What was recorded stands where a judge's score would. */
const create = ppoWith({ name: 'ppo', reward: ({ score }) => score as number });

describe('PPO takes the same steps as TRL', () => {
  it.each(Object.entries(recordedCases(topic)))('%s', async (name, recorded) => {
    const { epochs, answers: kind } = divisions[name] as (typeof divisions)[string];
    const options = { ...recorded.options, prompts: answers, epochs, maxNewTokens };
    const objective: Objective & { readonly rollouts?: Rollouts } = create(options);
    const initial = await readPeftAdapter(join(fixtures, topic, name, 'initial'));
    const method = lora(lora.definition.fromPeft?.(initial.config) ?? {});
    const methods = [method, ...(objective.methods ?? [])] as const;
    const prepared = await prepareModel(recorded.base, methods, createOnnxBackend(), initial.tensors, objective);
    await initial.close();
    const expected = await openSafetensors(join(fixtures, topic, name, 'expected.safetensors'));
    const head = prepared.model.handles.filter(({ owner }) => owner === 'value-head');
    for (const handle of head) {
      await prepared.parameters.write(handle, await values(expected, `initial.${handle.path}`));
    }
    let clipped = 0;
    const adapter = await takeRecordedSteps(prepared, {
      ...{ topic, name, recorded, objective, batchSize: (epochs * answers) / stepsEach },
      rows: recordedRollouts(prepared, objective as Objective & { readonly rollouts: Rollouts }, {
        ...{ rollouts: kinds[kind], answersEach: 1, epochs },
      }),
      onStep: ({ terms }) => {
        clipped += terms.clipped as number;
      },
    });
    expect(clipped).toBeGreaterThan(0);
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors(adapter, final.tensors);
    await final.close();
    expect(head.map(({ path }) => path)).toEqual(['weight', 'bias']);
    for (const handle of head) {
      const trained = await prepared.parameters.read(handle);
      expect(relativeError(trained, await values(expected, `final.${handle.path}`)), handle.path).toBeLessThan(1e-4);
    }
    await expected.close();
    prepared.parameters.tensors.dispose();
  });
});
