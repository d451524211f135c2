/**
 * GRPO and RLOO against TRL's trainers: twenty steps over given answers and rewards, each rollout gone through twice, give equal
 * losses, gradient norms and adapters. How they were recorded: README.md beside this file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { readPeftAdapter } from '@tunesmith/checkpoints';
import {
  type Answer,
  computePriors,
  createExecutableCache,
  type Json,
  type Objective,
  type Prior,
  type Rollouts,
  type Row,
  type RowSource,
  type RowValues,
  type Tensor,
  tf,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { grpoWith, type RewardFunction, rlooWith } from '@tunesmith/rlhf-dpo';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fixtures } from './fixture-values.js';
import { answered } from './recorded-pairs.js';
import { expectTensors, type Prepared, prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'policy-training';
const [prompts, answers, epochs, maxNewTokens] = [2, 4, 2, 8];
const ids = z.array(z.int());
const rollouts = z
  .array(z.object({ prompts: z.array(ids), answers: z.array(ids), rewards: z.array(z.number()) }))
  .parse(JSON.parse(readFileSync(join(fixtures, topic, 'rollouts.json'), 'utf8')));
type Given = (typeof rollouts)[number];

/** What was recorded stands where a judge's score would. */
const reward: RewardFunction = ({ score }) => score as number;
const policies: Record<string, (options: object) => Objective> = {
  grpo: grpoWith({ name: 'grpo', reward }),
  rloo: rlooWith({ name: 'rloo', reward }),
};

/** Rollouts of the recorded answers, measured by the model as it is when a step asks for them. */
function recordedRollouts(prepared: Prepared, objective: Objective & { readonly rollouts: Rollouts }): RowSource {
  const { measured: names, measure, learn } = objective.rollouts;
  const compute: Prior['compute'] = (...args) => {
    const each = measure(...args);
    return tf.concat(
      names.map((name) => each[name] as Tensor),
      1,
    );
  };
  const parts = { ...prepared, objective: { ...objective, prior: { key: 'measured', compute } } };
  const answer = async (given: Given): Promise<Answer[]> => {
    const rows = given.prompts.map((prompt, index): Row => answered(prompt, given.answers[index] as number[]));
    const executables = createExecutableCache(prepared.backend, prepared.parameters.tensors);
    const collate = { rows: rows.length, maxLength: 16, padToken: 0 };
    const found: Answer[] = [];
    for await (const all of computePriors(rows, { ...parts, executables, collate })) {
      const { length: index } = found;
      const { length } = given.answers[index] as number[];
      const width = all.length / names.length;
      found.push({
        prompt: Math.floor(index / answers),
        ...{ row: rows[index] as Row, promptText: '', text: '', expected: null, length },
        ended: given.answers[index]?.at(-1) === 2,
        score: given.rewards[index] as number,
        measured: Object.fromEntries(names.map((name, at) => [name, all.slice(at * width, at * width + length)])),
      });
    }
    await executables.dispose();
    return found;
  };
  return {
    length: rollouts.length * prompts * answers,
    async *read() {
      let memory: Json = null;
      let position = 0;
      for (const given of rollouts) {
        const found = await answer(given);
        const learnt = await learn(found, memory);
        memory = learnt.memory;
        for (let epoch = 0; epoch < epochs; epoch++) {
          for (const [index, { row }] of found.entries()) {
            yield { row: { ...row, values: learnt.values[index] as RowValues }, position: ++position };
          }
        }
      }
    },
  };
}

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
      rows: recordedRollouts(prepared, objective as Objective & { readonly rollouts: Rollouts }),
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
