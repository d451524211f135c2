import {
  companionHandle,
  defineCompanion,
  type Handle,
  type Model,
  type Tensor,
  type Trace,
  tf,
  zeros,
} from '@tunesmith/core';
import { z } from 'zod';

const name = 'log-variances';

/**
 * A log-variance sₖ for each task, 0 at first. They have a learning rate of their own, and are clipped by their own norm: beside an
 * adapter's gradients theirs are large.
 */
export const logVariances = defineCompanion({
  name,
  summary: 'How uncertain each of several tasks is',
  config: z.object({ tasks: z.int().min(1), learningRate: z.number().positive() }),
  patch(patcher, { tasks, learningRate }) {
    const own = patcher.parameter('values', { shape: [tasks], init: zeros });
    return { groups: [{ match: ({ key }) => key === own.key, learningRate, decay: 0, clip: name }] };
  },
});

/** The tasks' log-variances as scalars. */
export function logVariancesOf(model: Model, t: Trace): Tensor[] {
  return tf.unstack(t.value(companionHandle(model, logVariances, 'values') as Handle));
}
