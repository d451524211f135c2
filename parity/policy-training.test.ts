/**
 * GRPO and RLOO against TRL's trainers: twenty steps over given answers and rewards, each rollout gone through twice, give equal
 * losses, gradient norms and adapters. How they were recorded: README.md beside this file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import type { Objective, Rollouts } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { grpoWith, type RewardFunction, rlooWith } from '@tunesmith/rlhf-dpo';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fixtures } from './fixture-values.js';
import { givenRollout, recordedRollouts } from './recorded-rollouts.js';
import { expectTensors, prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'policy-training';
const [prompts, answers, epochs, maxNewTokens] = [2, 4, 2, 8];
const rollouts = z.array(givenRollout).parse(JSON.parse(readFileSync(join(fixtures, topic, 'rollouts.json'), 'utf8')));

/** What was recorded stands where a judge's score would. */
const reward: RewardFunction = ({ score }) => score as number;
const policies: Record<string, (options: object) => Objective> = {
  grpo: grpoWith({ name: 'grpo', reward }),
  rloo: rlooWith({ name: 'rloo', reward }),
};

describe('policies take the same steps as TRL', () => {
  it.each(Object.entries(recordedCases(topic)))('%s', async (name, recorded) => {
    const create = policies[recorded.method as string] as (options: object) => Objective;
    const objective = create({ ...recorded.options, prompts, answers, epochs, maxNewTokens });
    const initial = await readPeftAdapter(join(fixtures, topic, name, 'initial'));
    const method = lora(lora.definition.fromPeft?.(initial.config) ?? {});
    const prepared = await prepareModel(recorded.base, method, createOnnxBackend(), initial.tensors, objective);
    await initial.close();
    let clipped = 0;
    const adapter = await takeRecordedSteps(prepared, {
      ...{ topic, name, recorded, objective, batchSize: prompts * answers },
      rows: recordedRollouts(prepared, objective as Objective & { readonly rollouts: Rollouts }, {
        ...{ rollouts, answersEach: answers, epochs },
      }),
      onStep: ({ terms }) => {
        clipped += terms.clipped as number;
      },
    });
    // A second pass over a rollout begins where the first has moved the model.
    expect(clipped).toBeGreaterThan(0);
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors(adapter, final.tensors);
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
