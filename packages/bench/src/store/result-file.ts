import { defineVersionedJson } from '@tunesmith/checkpoints';
import { z } from 'zod';
import { metricSchema } from '../task/task.js';
import { outcomeSchema, resultVersion } from '../trial/trial-result.js';

const json = z.record(z.string(), z.unknown());

/** The parts of a result of PEFT's method comparison (method_comparison/MetaMathQA/utils.py, `log_results`). */
export const peftSchema = z.looseObject({
  run_info: z.looseObject({
    created_at: z.string(),
    total_time: z.number(),
    experiment_name: z.string(),
    peft_branch: z.string().nullable().default(null),
    peft_worktree_is_dirty: z.boolean().optional(),
    train_config: json,
    peft_config: json.nullable(),
    error_msg: z.string().nullable(),
  }),
  train_info: z.looseObject({
    accelerator_memory_reserved_avg: z.number().nullable(),
    accelerator_memory_max: z.number().nullable(),
    accelerator_memory_reserved_99th: z.number().nullable(),
    train_time: z.number(),
    file_size: z.number(),
    num_trainable_params: z.number(),
    num_total_params: z.number(),
    status: z.string(),
    metrics: z.array(json),
  }),
  meta_info: z.looseObject({
    model_info: json.nullable(),
    dataset_info: json,
    package_info: json,
    system_info: json,
    pytorch_info: z.string().nullable().default(null),
  }),
});

/** A result of PEFT's method comparison; what it does not know of stays in it. */
export type PeftResult = z.output<typeof peftSchema>;

const hash = z.string();

export const trialRecordSchema = z.strictObject({
  key: hash,
  suite: z.string(),
  cell: z.strictObject({ model: z.string(), task: z.string(), method: z.string(), budget: z.string() }),
  kind: z.enum(['tuning', 'seed', 'timing']),
  seed: z.int(),
  learningRate: z.number(),
  threads: z.int().nullable(),
  /** Whether the bench ran nothing beside it; times of others say little. */
  alone: z.boolean(),
  identity: z.strictObject({ code: hash, data: hash, model: hash }),
  task: z.strictObject({ summary: z.string(), licence: z.string(), source: z.string(), metric: metricSchema }),
  recipe: json,
  outcome: outcomeSchema,
});

/** What of a trial's file is Tunesmith's own. */
export type TrialRecord = z.output<typeof trialRecordSchema>;

const resultSchema = z.strictObject({ ...peftSchema.shape, trial: trialRecordSchema });

/** A trial's file: what PEFT's method comparison writes of a run, and beside it, as `trial`, what the bench knows more. */
export type TrialResult = z.output<typeof resultSchema>;

export const resultFormat = defineVersionedJson({
  kind: 'bench result',
  version: resultVersion,
  schema: resultSchema as z.ZodType<TrialResult>,
});
