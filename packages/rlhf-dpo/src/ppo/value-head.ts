import {
  companionHandle,
  defineCompanion,
  headFeatures,
  type Model,
  type ModelRun,
  type Named,
  type Tensor,
  type Trace,
  tf,
  zeros,
} from '@tunesmith/core';
import { z } from 'zod';

/** A value for every token, V = w·h + b of the model's last hidden states h, which it shares with the policy. It begins at 0. */
export const valueHead = defineCompanion({
  name: 'value-head',
  summary: 'A value for every token, of the hidden states that the policy has too',
  config: z.object({}),
  patch(patcher) {
    patcher.parameter('weight', { shape: [1, headFeatures(patcher)], init: zeros });
    patcher.parameter('bias', { shape: [1], init: zeros });
    return {};
  },
});

/** V of the state before each token of collated answers, `[rows, tokens]`; 0 everywhere for a model without the head. */
export function valuesBefore(model: Model, run: ModelRun, columns: Named<Tensor>, t: Trace): Tensor {
  return valuesAt(model, run, columns.answerPositions as Tensor, columns.answerMask as Tensor, t);
}

/** V of the state after each token: the last one's is that of the answer as a whole. */
export function valuesAfter(model: Model, run: ModelRun, columns: Named<Tensor>, t: Trace): Tensor {
  const next = tf.add(columns.answerPositions as Tensor, tf.scalar(1, 'int32'));
  return valuesAt(model, run, next, columns.answerMask as Tensor, t);
}

function valuesAt(model: Model, run: ModelRun, positions: Tensor, mask: Tensor, t: Trace): Tensor {
  const [weight, bias] = ['weight', 'bias'].map((path) => companionHandle(model, valueHead, path));
  if (weight === undefined || bias === undefined) return tf.zerosLike(mask);
  const [, , width = 1] = run.hidden.shape;
  const states = tf.gather(tf.reshape(run.hidden, [-1, width]), positions as never); // [rows · tokens, hidden]
  const values = tf.add(tf.matMul(states, t.value(weight), false, true), t.value(bias)); // [rows · tokens, 1]
  return tf.mul(tf.reshape(values, mask.shape), mask);
}
