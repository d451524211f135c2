import {
  companionHandle,
  defineCompanion,
  type Handle,
  headFeatures,
  kaimingUniform,
  type Model,
  type Tensor,
  type Trace,
  tf,
  zeros,
} from '@tunesmith/core';
import { z } from 'zod';

const name = 'domain-classifier';

/** Tells by the state that stands for a text which domain it is of: w₂·relu(W₁·h + b₁) + b₂, above 0 for the target's. */
export const domainClassifier = defineCompanion({
  name,
  summary: 'Tells source from target by the state that stands for a text',
  config: z.object({ units: z.int().min(1), rate: z.number().positive() }),
  patch(patcher, { units, rate }) {
    patcher.parameter('hidden.weight', { shape: [units, headFeatures(patcher)], init: kaimingUniform() });
    patcher.parameter('hidden.bias', { shape: [units], init: zeros });
    patcher.parameter('output.weight', { shape: [1, units], init: kaimingUniform() });
    patcher.parameter('output.bias', { shape: [1], init: zeros });
    return rate === 1 ? {} : { groups: [{ match: ({ owner }) => owner === name, scale: rate }] };
  },
});

/** The logit that each state `[rows, hidden]` is of the target domain, `[rows]`. */
export function domainLogits(model: Model, states: Tensor, t: Trace): Tensor {
  const value = (path: string): Tensor => t.value(companionHandle(model, domainClassifier, path) as Handle);
  const hidden = tf.relu(
    tf.add(tf.matMul(states, value('hidden.weight'), false, true), value('hidden.bias')), // [rows, units]
  );
  const logits = tf.add(tf.matMul(hidden, value('output.weight'), false, true), value('output.bias')); // [rows, 1]
  return tf.reshape(logits, [-1]);
}
