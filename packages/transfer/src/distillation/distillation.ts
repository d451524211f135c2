import { apiVersion, defineObjective, type Tensor, tokenColumns } from '@tunesmith/core';
import { z } from 'zod';
import { learntAndTaught } from './learnt-and-taught.js';
import { collateTaught, likeliest, taughtBy } from './teacher-columns.js';

export const distillationConfigSchema = z.object({
  teacher: z
    .string()
    .min(1)
    .describe('Folder of the teacher, a Hugging Face model with the same tokenizer. A recipe has to name it.'),
  temperature: z
    .number()
    .positive()
    .default(2)
    .describe(
      'How much both distributions are flattened, T. Default: 2, of DistilBERT’s training script (Sanh et al. 2019).',
    ),
  weight: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe(
      'What following the teacher weighs, and learning the answers the rest. Default: this project’s choice; Hinton et al. 2015 found a much lower weight of the answers best.',
    ),
  top: z
    .int()
    .min(1)
    .default(32)
    .describe(
      'How many of the likeliest tokens are kept of each of the teacher’s distributions, as if there were no others. Default: this project’s choice, 256 bytes a target.',
    ),
  direction: z
    .enum(['forward', 'reverse'])
    .default('forward')
    .describe(
      '`forward`, KL(teacher ‖ student), covers all that the teacher might say; `reverse`, KL(student ‖ teacher), keeps to what it would (MiniLLM, Gu et al. 2023). Default: Hinton et al. 2015, forward.',
    ),
});

export type DistillationConfig = z.output<typeof distillationConfigSchema>;

/**
 * Distillation (Hinton et al. 2015, arXiv:1503.02531): (1 − λ)·(−log p of the answers) + λ·T²·KL between the teacher's and the student's
 * distributions, both at temperature T. The teacher is asked once, in a pass over the data before training: it is not there in
 * memory afterwards, and costs a step nothing.
 */
export const distillation = defineObjective({
  name: 'distillation',
  apiVersion,
  summary: 'Distillation: a student follows a teacher’s distributions beside learning the answers',
  config: distillationConfigSchema,
  rows: 'answers',
  create: ({ teacher, temperature, weight, top, direction }) => ({
    prior: {
      key: `likeliest ${top}`,
      model: teacher,
      compute: (model, columns, t) => likeliest(model, columns, t, top),
    },
    collate: collateTaught,
    losses(model, columns, t) {
      const logits = model.run(t, tokenColumns(columns)).logits(columns.targetPositions as Tensor); // [count, vocabulary]
      // T² keeps the gradients of the softened targets at the size of the others' (§2 of the paper).
      const following = { answers: 1 - weight, teacher: weight * temperature ** 2, temperature, direction };
      return learntAndTaught(logits, columns, taughtBy(columns), following);
    },
  }),
});
