import { generationSchema } from '@tunesmith/core';
import { z } from 'zod';

const files = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

/** A task's own model: a recipe's `model`, of which layers may be left out. */
const taskModel = z.looseObject({
  layers: z
    .union([z.int().min(1), z.array(z.int().min(0)).min(1)])
    .optional()
    .describe(
      'Begin with a model of so many of its layers, spread evenly, or of these, from 0 (`tunesmith cut`). All if not said.',
    ),
});

/** Rows of a task that the model of an earlier one writes. */
const generateSchema = z.strictObject({
  by: z.string().describe('The earlier task whose model answers.'),
  prompts: files.describe('What it is asked: rows of prompts, or of answers, which stand aside.'),
  ...generationSchema.shape,
  samples: z.int().min(1).default(1).describe('Answers to each prompt; more than one need a temperature.'),
  batchSize: z.int().min(1).default(8).describe('Prompts at once.'),
  correctOnly: z.boolean().default(false).describe('Keep only what equals the answer that a prompt’s row has.'),
});

/** What a task has to be as good as before the sequence goes on. */
const gateSchema = z
  .strictObject({
    quality: z.number().optional().describe('The least of the metric that is measured; of `loss` the most.'),
    loss: z.number().optional().describe('The most that the held-out loss may be.'),
    betterThan: z.string().optional().describe('An earlier task, to be better than by the metric that is measured.'),
  })
  .refine((gate) => Object.values(gate).some((value) => value !== undefined), {
    message: 'expected quality, loss or betterThan',
  });

/** What one hour of a device costs, as a suite of the bench says it. */
const price = z.strictObject({
  perHour: z.number().min(0).describe('What an hour of a machine with the device costs.'),
  source: z.string().default('').describe('Whose price, and when.'),
});

const measureSchema = z.strictObject({
  data: files.describe('Held-out data, the same for all tasks.'),
  metric: z
    .string()
    .min(1)
    .default('exactMatch')
    .describe(
      'What quality is: `exactMatch`, `rougeL` or `bleu` of generated answers, `loss`, or a metric of the objective’s predictions.',
    ),
  maxNewTokens: z.int().min(1).default(128).describe('Most tokens of an answer.'),
  prices: z
    .record(z.string(), price)
    .default({})
    .describe('Money by device, such as `{ cpu: { perHour: 0.09 } }`. Without it costs are time and memory.'),
});

export const sequenceSchema = z.object({
  carryOn: z
    .boolean()
    .default(false)
    .describe(
      'Whether each run is told of the one before (`previous`), whose methods go on with what they kept, and has of earlier tasks the last one’s data alone for `data.earlier`.',
    ),
  measure: measureSchema
    .optional()
    .describe('Compare what the tasks come to by quality and cost, each model after its training.'),
  tasks: z
    .array(
      z
        .looseObject({
          name: z
            .string()
            .regex(/^[\w.-]+$/)
            .describe('What it is called, and its run’s folder.'),
          model: taskModel
            .optional()
            .describe('The model that it begins with, laid over the whole’s; what the task before left if not said.'),
          train: files.optional().describe('Training data; may be missing where `generate` writes some.'),
          validation: files.describe('Held-out data, which every task’s loss is measured on after each.'),
          generate: generateSchema.optional().describe('More training data, which an earlier task’s model writes.'),
          gate: gateSchema.optional().describe('What it has to be as good as before the sequence goes on.'),
          rewardModel: z
            .string()
            .optional()
            .describe('The earlier task that left the reward model its answers are judged by.'),
        })
        .refine(({ train, generate }) => train !== undefined || generate !== undefined, {
          ...{ path: ['train'], message: 'is missing; expected files, or `generate`' },
        }),
    )
    .min(1),
});

export type GenerateSettings = z.output<typeof generateSchema>;
export type GateSettings = z.output<typeof gateSchema>;
/** What the tasks of a sequence are compared by. */
export type MeasureSettings = z.output<typeof measureSchema>;
