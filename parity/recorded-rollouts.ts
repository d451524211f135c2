/** Rollouts whose answers were recorded and not drawn, as a trainer's rows. */
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
import { z } from 'zod';
import { answered } from './recorded-pairs.js';
import type { Prepared } from './recorded-steps.js';

const ids = z.array(z.int());

/** A rollout as recorders keep them. */
export const givenRollout = z.object({
  prompts: z.array(ids),
  answers: z.array(ids),
  rewards: z.array(z.number()),
  /** How each epoch goes through it; in order if not said. */
  orders: z.array(ids).optional(),
});
export type GivenRollout = z.output<typeof givenRollout>;

export interface RecordedRollouts {
  readonly rollouts: readonly GivenRollout[];
  readonly answersEach: number;
  readonly epochs: number;
}

/** Recorded answers, measured by the model as it is when a step asks for them. */
export function recordedRollouts(
  prepared: Prepared,
  objective: Objective & { readonly rollouts: Rollouts },
  { rollouts, answersEach, epochs }: RecordedRollouts,
): RowSource {
  const { measured: names, measure, learn } = objective.rollouts;
  const compute: Prior['compute'] = (...args) => {
    const each = measure(...args);
    return tf.concat(
      names.map((name) => each[name] as Tensor),
      1,
    );
  };
  const parts = { ...prepared, objective: { ...objective, prior: { key: 'measured', compute } } };
  const answer = async (given: GivenRollout): Promise<Answer[]> => {
    const rows = given.prompts.map((prompt, index): Row => answered(prompt, given.answers[index] as number[]));
    const executables = createExecutableCache(prepared.backend, prepared.parameters.tensors);
    const collate = { rows: rows.length, maxLength: 16, padToken: 0 };
    const found: Answer[] = [];
    for await (const all of computePriors(rows, { ...parts, executables, collate })) {
      const { length: index } = found;
      const { length } = given.answers[index] as number[];
      const width = all.length / names.length;
      found.push({
        prompt: Math.floor(index / answersEach),
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
    length: rollouts.reduce((sum, { answers }) => sum + answers.length, 0),
    async *read() {
      let memory: Json = null;
      let position = 0;
      for (const given of rollouts) {
        const found = await answer(given);
        const learnt = await learn(found, memory);
        memory = learnt.memory;
        for (let epoch = 0; epoch < epochs; epoch++) {
          for (const index of given.orders?.[epoch] ?? found.keys()) {
            const { row } = found[index] as Answer;
            yield { row: { ...row, values: learnt.values[index] as RowValues }, position: ++position };
          }
        }
      }
    },
  };
}
