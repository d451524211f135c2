import { apiVersion, defineMethod, type Handle, type Model, type Tensor, type Trace, tf, zeros } from '@tunesmith/core';
import { z } from 'zod';

const name = 'log-variances';

/**
 * A log-variance sₖ for each task, 0 at first. They have a learning rate of their own, and are clipped by their own norm: beside an
 * adapter's gradients theirs are large. Nothing of them is saved.
 */
export const logVariances = defineMethod({
  name,
  apiVersion,
  summary: 'How uncertain each of several tasks is',
  config: z.object({ tasks: z.int().min(1), learningRate: z.number().positive() }),
  capabilities: {
    mergeable: true,
    identityAtInit: true,
    trainsBase: false,
    quantizedBase: true,
    leavesNothing: true,
  },
  create: ({ tasks, learningRate }) => ({
    patchModel(patcher) {
      const own = patcher.parameter('values', { shape: [tasks], init: zeros });
      return { groups: [{ match: ({ key }) => key === own.key, learningRate, decay: 0, clip: name }] };
    },
    merge: async () => false,
    mergeEmbedding: async () => false,
  }),
});

/** The tasks' log-variances as scalars. */
export function logVariancesOf(model: Model, t: Trace): Tensor[] {
  return tf.unstack(t.value(model.handles.find(({ owner }) => owner === name) as Handle));
}
