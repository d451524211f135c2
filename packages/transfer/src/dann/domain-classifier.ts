import {
  apiVersion,
  defineMethod,
  type Handle,
  kaimingUniform,
  type Model,
  type Tensor,
  type Trace,
  tf,
  zeros,
} from '@tunesmith/core';
import { z } from 'zod';

const name = 'domain-classifier';

/**
 * Tells by the state that stands for a text which domain it is of: w₂·relu(W₁·h + b₁) + b₂, above 0 for the target's. Nothing of it is
 * saved, and the model's own outputs know nothing of it.
 */
export const domainClassifier = defineMethod({
  name,
  apiVersion,
  summary: 'Tells source from target by the state that stands for a text',
  config: z.object({ units: z.int().min(1), rate: z.number().positive() }),
  capabilities: {
    mergeable: true,
    identityAtInit: true,
    trainsBase: false,
    quantizedBase: true,
    leavesNothing: true,
  },
  create: ({ units, rate }) => ({
    patchModel(patcher) {
      const head = patcher.model.sites.find(({ role }) => role === 'head');
      const hidden = head?.kind === 'linear' ? head.inFeatures : 0;
      patcher.parameter('hidden.weight', { shape: [units, hidden], init: kaimingUniform() });
      patcher.parameter('hidden.bias', { shape: [units], init: zeros });
      patcher.parameter('output.weight', { shape: [1, units], init: kaimingUniform() });
      patcher.parameter('output.bias', { shape: [1], init: zeros });
      return rate === 1 ? {} : { groups: [{ match: ({ owner }) => owner === name, scale: rate }] };
    },
    merge: async () => false,
    mergeEmbedding: async () => false,
  }),
});

/** The logit that each state `[rows, hidden]` is of the target domain, `[rows]`. */
export function domainLogits(model: Model, states: Tensor, t: Trace): Tensor {
  const value = (path: string): Tensor =>
    t.value(model.handles.find((handle) => handle.owner === name && handle.path === path) as Handle);
  const hidden = tf.relu(
    tf.add(tf.matMul(states, value('hidden.weight'), false, true), value('hidden.bias')), // [rows, units]
  );
  const logits = tf.add(tf.matMul(hidden, value('output.weight'), false, true), value('output.bias')); // [rows, 1]
  return tf.reshape(logits, [-1]);
}
