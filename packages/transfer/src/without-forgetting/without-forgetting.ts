import { apiVersion, defineObjective, sft, stopGradient, type Tensor, tf, tokenColumns } from '@tunesmith/core';
import { z } from 'zod';
import { learntAndTaught } from '../distillation/learnt-and-taught.js';

export const withoutForgettingConfigSchema = z.object({
  temperature: z
    .number()
    .positive()
    .default(2)
    .describe('How much both distributions are flattened, T. Default: the paper’s, 2.'),
  weight: z
    .number()
    .min(0)
    .default(1)
    .describe('What keeping to the old model’s outputs weighs beside the new task, λ_o. Default: the paper’s, 1.'),
});

export type WithoutForgettingConfig = z.output<typeof withoutForgettingConfigSchema>;

/**
 * Learning without forgetting (Li and Hoiem 2016, arXiv:1606.09282): −log p of the new task's answers + λ_o·KL between what the old model
 * says on the new task's rows and what the new one says, at temperature T (eq. 1 and 3 for single tokens, but for the old model's entropy,
 * which is constant). The old model is the checkpoint's own in the same program: no second set of weights, and no old data.
 */
export const withoutForgetting = defineObjective({
  name: 'without-forgetting',
  apiVersion,
  summary: 'Learning without forgetting: a new task, and the old model’s outputs on it kept',
  config: withoutForgettingConfigSchema,
  rows: 'answers',
  create: ({ temperature, weight }) => ({
    collate: sft.collate,
    losses(model, columns, t) {
      const positions = columns.targetPositions as Tensor;
      const tokens = tokenColumns(columns);
      const old = stopGradient(() => tf.logSoftmax(model.run(t, tokens, { methods: 'none' }).logits(positions)));
      const logits = model.run(t, tokens).logits(positions); // [count, vocabulary]
      return learntAndTaught(logits, columns, { logProbs: old }, { answers: 1, teacher: weight, temperature });
    },
  }),
});
