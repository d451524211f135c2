import { TunesmithError } from '../errors/tunesmith-error.js';

/** How PEFT's config of a method maps to ours. */
export interface PeftFields {
  /** Our option by PEFT's field. */
  readonly options: Readonly<Record<string, string>>;
  /** Fields without a counterpart that change nothing here at the values listed. */
  readonly neutral?: Readonly<Record<string, readonly unknown[]>>;
}

/** Facts about the file and the run, and how the base's weights lie, which the family knows (peft/config.py). */
const descriptive = new Set([
  'peft_type',
  'peft_version',
  'task_type',
  'inference_mode',
  'base_model_name_or_path',
  'revision',
  'auto_mapping',
  'runtime_config',
  'fan_in_fan_out',
]);

const classifier = ['classifier', 'score'];

/**
 * What PEFT trains and saves with every adapter of a task, whether or not the model has it (peft/peft_model.py). A model's own head is
 * the engine's.
 */
const headModules: Readonly<Record<string, readonly unknown[]>> = {
  SEQ_CLS: classifier,
  TOKEN_CLS: classifier,
  QUESTION_ANS: ['qa_outputs'],
};

/** What transformers makes of an encoder's first state, and no embedder reads. */
const poolers: readonly unknown[] = ['pooler.dense', 'pooler'];

/**
 * A PEFT config's fields as our options. Null, absent and empty values are left to our defaults, which are PEFT's.
 * @throws CAPABILITY_MISSING for a field that would change the adapter's meaning and has no counterpart here
 */
export function readPeftConfig(
  peft: Readonly<Record<string, unknown>>,
  { options, neutral = {} }: PeftFields,
): Record<string, unknown> {
  const config: Record<string, unknown> = {};
  for (const [field, given] of Object.entries(peft)) {
    const value = ownModules(field, given, peft.task_type);
    const option = options[field];
    if (option !== undefined) {
      if (value !== null && !isEmpty(value)) config[option] = value;
      continue;
    }
    const isOff = value === null || value === false || isEmpty(value);
    if (isOff || descriptive.has(field) || neutral[field]?.includes(value)) continue;
    throw new TunesmithError('CAPABILITY_MISSING', `"${field}" of this PEFT adapter is not supported`, {
      where: 'adapter_config.json',
      expected: 'null, false or empty',
      got: JSON.stringify(value),
    });
  }
  return config;
}

/** What a field names of a model that has no more than its task needs. */
function ownModules(field: string, given: unknown, task: unknown): unknown {
  if (field === 'modules_to_save') return withoutHead(given, task);
  // Every linear layer of transformers' bare BERT is one more than vectors are made with.
  if (field === 'target_modules' && task === 'FEATURE_EXTRACTION' && Array.isArray(given)) {
    return given.filter((module) => !poolers.includes(module));
  }
  return given;
}

/** PEFT's `modules_to_save` without those that it adds for the task. */
export function withoutHead(modules: unknown, task: unknown): unknown {
  const heads = headModules[String(task)] ?? [];
  return Array.isArray(modules) ? modules.filter((module) => !heads.includes(module)) : modules;
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
