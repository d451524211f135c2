import { recipeSchema } from '@tunesmith/runtime';
import { z } from 'zod';
import { preparedTaskSchema } from '../task/task.js';

/** The version of the suite format that this release writes. */
const suiteVersion = 1;

const name = z
  .string()
  .min(1)
  .regex(/^[^/]+$/, 'a name has no slash');

const model = z.looseObject({
  ownText: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Text of the model’s own domain that it was not trained on. What it loses there is forgetting; not measured without it.',
    ),
});

const taskReference = z.strictObject({
  task: name.describe('One of the bench’s tasks (`tunesmith bench tasks`).'),
  shuffled: z
    .boolean()
    .default(false)
    .describe('A control: exchange what is to be learnt among the rows, so that nothing can be.'),
  path: z
    .string()
    .min(1)
    .optional()
    .describe('Folder with the data set of a task that is on the Hub; downloaded if not said.'),
});

const method = z.looseObject({
  learningRates: z
    .array(z.number().positive())
    .min(1)
    .optional()
    .describe('Learning rates to try, as many as `tuning.trials`; spread around the method’s own default if not said.'),
});

const budget = z.strictObject({
  steps: z.int().min(1).describe('Optimizer steps of a trial.'),
  batchSize: z.int().min(1).default(8).describe('Rows of a step (TrainingArguments: 8).'),
  maxLength: z.int().min(2).optional().describe('Most tokens of a row; the task’s own if not said.'),
  evaluations: z
    .int()
    .min(1)
    .default(4)
    .describe('Evaluations on the validation split, evenly over the steps; the best keeps its weights.'),
  threads: z.int().min(1).optional().describe('Threads of a trial; ONNX Runtime’s choice if not said.'),
  timeoutSeconds: z.number().positive().default(3600).describe('A trial that takes longer is a failure.'),
});

const tuning = z
  .strictObject({
    trials: z.int().min(1).default(3).describe('Learning rates that each method may try.'),
    factor: z.number().gt(1).default(3).describe('From one learning rate to the next, where a method lists none.'),
    seed: z.int().min(0).default(0).describe('Of these trials; none of the seeds that are reported.'),
  })
  .prefault({})
  .describe('How each method’s learning rate is chosen, on the validation split.');

/** What one hour of a device costs. */
const price = z.strictObject({
  perHour: z.number().min(0).describe('What an hour of a machine with the device costs.'),
  source: z.string().default('').describe('Whose price, and when.'),
});

export const suiteSchema = z
  .strictObject({
    $schema: z.string().optional().describe('Where editors find this schema; ignored.'),
    version: z.literal(suiteVersion).default(suiteVersion).describe('Version of the suite format.'),
    name: name.describe('The suite’s name.'),
    models: z.record(name, model).describe('Base models by name: a recipe’s `model` each, and `ownText`.'),
    tasks: z
      .array(z.union([name, taskReference, preparedTaskSchema]))
      .min(1)
      .describe('Tasks of the bench by name, or files of one’s own.'),
    methods: z
      .record(name, method)
      .describe(
        'Methods by name: any keys of a recipe each, such as `method` (the name itself if not said) and its block.',
      ),
    controls: z
      .array(name)
      .default([])
      .describe(
        'Methods that also train on each of the bench’s tasks with its labels shuffled: what they still reach is none of ' +
          'the task’s. None if not said.',
      ),
    budgets: z.record(name, budget).describe('How much training a trial gets, by name.'),
    tuning,
    seeds: z
      .array(z.int().min(0))
      .min(1)
      .default([1, 2, 3, 4, 5])
      .describe('Seeds of initial values, dropout and order, each a trial. Five, for an interval worth its name.'),
    trainer: z
      .record(z.string(), z.unknown())
      .default({})
      .describe('What all trials have in common of a recipe’s `trainer`.'),
    device: recipeSchema.shape.device,
    plugins: recipeSchema.shape.plugins,
    prices: z
      .record(z.string(), price)
      .default({})
      .describe('Money by device, such as `{ cpu: { perHour: 0.09 } }`. Without it the report has no money.'),
  })
  .refine(({ seeds, tuning }) => !seeds.includes(tuning.seed), {
    message: 'the learning rate would be chosen by a seed that is reported: `tuning.seed` is one of `seeds`',
  })
  .refine(({ methods, controls }) => controls.every((control) => control in methods), {
    message: 'each of `controls` is one of `methods`',
  });

export type Suite = z.output<typeof suiteSchema>;

/** What a suite file may say. */
export type SuiteInput = z.input<typeof suiteSchema>;
