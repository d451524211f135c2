import {
  didYouMean,
  type MethodFactory,
  type ObjectiveFactory,
  type QuantizationSettings,
  quantizationSchema,
  TunesmithError,
} from '@tunesmith/core';
import { z } from 'zod';
import { definedObjective, headOf, type ObjectiveSettings, type Objectives } from '../objective/settings.js';
import { describeIssue } from './describe-issue.js';
import { methodNames, objectiveName, type RecipeSource } from './read-recipe.js';
import { recipeSchema, recipeVersion } from './recipe-schema.js';

type Fields = z.output<typeof recipeSchema>;

/** A recipe with every default filled in: what a run does, and all of it. */
export interface Recipe extends Omit<Fields, '$schema' | 'method' | 'objective' | 'trainer'> {
  /** One of the runtime's own, or a plugin's, with all of its options. */
  readonly objective: ObjectiveSettings;
  readonly trainer: Fields['trainer'] & {
    readonly learningRate: number;
    readonly schedule: { readonly warmup: number };
  };
  /** In wrapping order, the first innermost, each with its whole config. */
  readonly methods: readonly { readonly name: string; readonly config: Readonly<Record<string, unknown>> }[];
}

/**
 * Checks a recipe against the schema and its methods' own, and fills the defaults in.
 * @throws CONFIG_INVALID with every problem at once; API_VERSION for a recipe of a newer Tunesmith
 */
export function parseRecipe(
  source: RecipeSource,
  factories: readonly MethodFactory[],
  objectives: Objectives = [],
): Recipe {
  const { value, where } = source;
  checkVersion(value.version, where);
  const names = methodNames(source);
  const blocks = Object.fromEntries(Object.entries(value).filter(([key]) => names.includes(key)));
  const rest = Object.fromEntries(Object.entries(value).filter(([key]) => !names.includes(key)));

  const problems: string[] = [];
  const { objective, plugin, problems: wrong } = readObjective(source, objectives);
  problems.push(...wrong);
  const parsed = recipeSchema.safeParse({ ...rest, objective: plugin ? undefined : objective }, { reportInput: true });
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      problems.push(
        ...(isTopLevelUnknown(issue) ? unknownTopLevel(issue.keys, names) : describeIssue(issue, recipeSchema)),
      );
    }
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) problems.push(`method: "${twice}" is named twice`);

  if (parsed.success && parsed.data.data.validation === undefined) {
    const { earlyStopping, samplePrompts } = parsed.data.trainer;
    if (earlyStopping !== undefined) problems.push('trainer.earlyStopping: needs data.validation');
    if (samplePrompts.length > 0) problems.push('trainer.samplePrompts: needs data.validation');
  }
  if (parsed.success && wrong.length === 0) {
    const settings = plugin ? (objective as ObjectiveSettings) : parsed.data.objective;
    problems.push(...objectiveProblems(parsed.data, settings, plugin));
  }
  if (parsed.success && parsed.data.data.replay !== undefined && parsed.data.data.earlier === undefined) {
    problems.push('data.replay: needs data.earlier');
  }
  if (parsed.success && parsed.data.data.replayBuffer !== undefined && parsed.data.data.replay === undefined) {
    problems.push('data.replayBuffer: needs data.replay');
  }
  const carriesOn = factories.some(
    ({ definition: { name, capabilities } }) => names.includes(name) && capabilities.carriesOn,
  );
  if (value.previous !== undefined && !carriesOn) {
    problems.push('previous: no method of this recipe goes on with what it kept in the run before');
  }
  const methods = names.flatMap((name) => {
    const factory = factories.find(({ definition }) => definition.name === name);
    if (factory === undefined) throw new TunesmithError('INTERNAL', `the method "${name}" was not loaded`, { where });
    const { config: schema } = factory.definition;
    const result = schema.strict().safeParse(blocks[name] ?? {}, { reportInput: true });
    if (result.success) return [{ name, config: result.data, learningRate: defaultLearningRate(factory) }];
    problems.push(...result.error.issues.flatMap((issue) => describeIssue(issue, schema, [name])));
    return [];
  });
  if (problems.length > 0 || !parsed.success) throw invalid(problems, where);

  const { $schema: _, method: __, ...fields } = parsed.data;
  const rates = [...methods.map((method) => method.learningRate), plugin?.definition.defaults?.learningRate];
  const least = Math.min(...rates.filter((rate) => rate !== undefined));
  const learningRate = fields.trainer.learningRate ?? least;
  const { schedule } = fields.trainer;
  const warmup = schedule.warmup ?? (schedule.name === 'slanted-triangular' ? 0.1 : 0);
  return {
    ...fields,
    ...(plugin && { objective: objective as ObjectiveSettings }),
    trainer: { ...fields.trainer, learningRate, schedule: { ...schedule, warmup } },
    methods: methods.map(({ name, config }) => ({ name, config })),
  };
}

/** A recipe's objective as it is to be checked; a plugin's, checked. Its name alone stands for it with its defaults. */
function readObjective(
  source: RecipeSource,
  objectives: Objectives,
): { objective: unknown; plugin?: ObjectiveFactory; problems: readonly string[] } {
  const given = source.value.objective;
  const name = objectiveName(source);
  const objective = typeof given === 'string' ? { name: given } : given;
  const plugin = objectives.find(({ definition }) => definition.name === name) ?? definedObjective(name);
  if (plugin === undefined) return { objective, problems: [] };
  const { name: _, ...options } = objective as Record<string, unknown>;
  const schema = plugin.definition.config;
  const parsed = schema.strict().safeParse(options, { reportInput: true });
  if (!parsed.success) {
    return {
      ...{ objective, plugin },
      problems: parsed.error.issues.flatMap((issue) => describeIssue(issue, schema, ['objective'])),
    };
  }
  const settings = { ...parsed.data, name: plugin.definition.name };
  return { objective: settings, plugin, problems: problemOf(() => plugin(parsed.data)) };
}

/** What an objective says of options that do not go together. */
function problemOf(create: () => unknown): string[] {
  try {
    create();
    return [];
  } catch (error) {
    if (TunesmithError.isInstance(error)) return [`objective: ${error.message}`];
    throw error;
  }
}

function objectiveProblems(
  { objective, data, trainer }: Fields,
  settings: ObjectiveSettings,
  plugin: ObjectiveFactory | undefined,
): string[] {
  const isSilent = trainer.samplePrompts.length > 0 && !continuesTexts(settings, plugin);
  const silent = isSilent ? ['trainer.samplePrompts: needs an objective that continues texts'] : [];
  if (plugin !== undefined) {
    const { name: own, unpackable } = plugin.definition;
    const packed = data.packing && unpackable !== undefined ? [`data.packing: not for ${own}: ${unpackable}`] : [];
    return [
      ...packed,
      ...targetProblems(data.target !== undefined, plugin),
      ...taskProblems(data, settings, plugin),
      ...silent,
    ];
  }
  const targeted = targetProblems(data.target !== undefined, objective.name);
  const { name, labels, problemType, answerStart } = objective;
  const names = Array.isArray(labels) ? labels : [];
  const isClassification = name === 'classification' || name === 'token-classification';
  const found: [boolean, string][] = [
    [!isClassification && labels !== undefined, 'objective.labels: goes with classification and token-classification'],
    [new Set(names).size < names.length, 'objective.labels: one is named twice'],
    [
      problemType === 'single-label' && (names.length === 1 || labels === 1),
      'objective.labels: expected two or more, of which each text has one',
    ],
    [isClassification && data.packing, 'data.packing: a row that is classified holds one text'],
    [name === 'seq2seq' && data.packing, 'data.packing: an encoder reads one text for each row'],
    [name !== 'seq2seq' && answerStart !== undefined, 'objective.answerStart: goes with seq2seq'],
  ];
  return [...found.flatMap(([isWrong, problem]) => (isWrong ? [problem] : [])), ...targeted, ...silent];
}

/** Whether texts without labels are there for an objective that learns from them, and for no other. */
function targetProblems(given: boolean, objective: ObjectiveFactory | string): string[] {
  const [name, wanted] =
    typeof objective === 'string' ? [objective, false] : [objective.definition.name, objective.definition.unlabelled];
  if (given === (wanted ?? false)) return [];
  return [
    given ? `data.target: not for ${name}, which learns from no unlabelled text` : `data.target: ${name} needs it`,
  ];
}

/** Whether the training files are the tasks that an objective names. */
function taskProblems(
  { train, taskTemperature }: Fields['data'],
  { name, ...options }: ObjectiveSettings,
  plugin: ObjectiveFactory,
): string[] {
  const { tasks } = plugin(options);
  if (tasks === undefined) return [];
  const files = [train].flat().length;
  return [
    ...(taskTemperature === undefined
      ? [`data.taskTemperature: ${name} needs it, so that each training file is a task`]
      : []),
    ...(files === tasks ? [] : [`data.train: expected a file for each of objective.tasks, ${tasks}, got ${files}`]),
  ];
}

function continuesTexts(settings: ObjectiveSettings, plugin: ObjectiveFactory | undefined): boolean {
  if (plugin === undefined) return settings.name === 'sft' || settings.name === 'seq2seq';
  return headOf(settings, [plugin]).task === 'causal-lm';
}

function defaultLearningRate({ definition: { defaults, capabilities } }: MethodFactory): number {
  return defaults?.learningRate ?? (capabilities.trainsBase ? 2e-5 : 2e-4);
}

/**
 * Checks data options by themselves, as `eval` takes them.
 * @throws CONFIG_INVALID with every problem at once
 */
export function parseData(value: unknown, where: string): Recipe['data'] {
  const schema = recipeSchema.shape.data;
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw invalid(
    parsed.error.issues.flatMap((issue) => describeIssue(issue, schema, ['data'])),
    where,
  );
}

/**
 * Checks what is said of the objective by itself, as `eval` and `data check` take it.
 * @throws CONFIG_INVALID with every problem at once
 */
export function parseObjective(value: unknown, where: string, objectives: Objectives = []): ObjectiveSettings {
  const { objective, plugin, problems } = readObjective({ value: { objective: value }, where }, objectives);
  if (problems.length > 0) throw invalid(problems, where);
  if (plugin !== undefined) return objective as ObjectiveSettings;
  const schema = recipeSchema.shape.objective;
  const parsed = schema.safeParse(objective, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw invalid(
    parsed.error.issues.flatMap((issue) => describeIssue(issue, schema, ['objective'])),
    where,
  );
}

/**
 * Checks how a base is to be kept by itself, as `eval` and `merge` take it: settings, a type alone, or `none`.
 * @throws CONFIG_INVALID with every problem at once
 */
export function parseQuantization(
  value: unknown,
  where: string,
): QuantizationSettings | QuantizationSettings['type'] | 'none' {
  if (value === 'none') return value;
  const isType = typeof value === 'string';
  const parsed = quantizationSchema.safeParse(isType ? { type: value } : value, { reportInput: true });
  if (parsed.success) return isType ? parsed.data.type : parsed.data;
  throw invalid(
    parsed.error.issues.flatMap((issue) => describeIssue(issue, quantizationSchema)),
    where,
  );
}

/** A recipe as it is written to a file: one block per method, under its name. */
export function recipeDocument({ methods, ...fields }: Recipe): Record<string, unknown> {
  const { version, model, data, objective, plugins, ...rest } = fields;
  const names = methods.map(({ name }) => name);
  return {
    version,
    model,
    data,
    objective,
    method: names.length === 1 ? names[0] : names,
    ...Object.fromEntries(methods.map(({ name, config }) => [name, config])),
    ...(plugins.length > 0 ? { plugins } : {}),
    ...rest,
  };
}

/** The JSON Schema of recipes with these methods, for editors. */
export function recipeJsonSchema(
  factories: readonly MethodFactory[],
  objectives: Objectives = [],
): Record<string, unknown> {
  const plugins = objectives.map(({ definition: { name, summary, config } }) =>
    config
      .strict()
      .extend({ name: z.literal(name) })
      .describe(summary),
  );
  const named = objectives.map(({ definition: { name } }) => z.literal(name));
  const objective =
    plugins.length === 0 ? {} : { objective: z.union([recipeSchema.shape.objective, ...plugins, ...named]) };
  const blocks = factories.map(({ definition: { name, summary, config } }) => [
    name,
    config.strict().describe(summary).optional(),
  ]);
  return z.toJSONSchema(recipeSchema.extend({ ...Object.fromEntries(blocks), ...objective }), {
    io: 'input',
  }) as Record<string, unknown>;
}

function checkVersion(version: unknown, where: string): void {
  if (typeof version !== 'number' || version <= recipeVersion) return;
  throw new TunesmithError('API_VERSION', 'the recipe was written for a newer Tunesmith', {
    where,
    expected: `version ${recipeVersion}`,
    got: String(version),
    hint: 'Update Tunesmith to use it.',
  });
}

type UnknownKeys = Extract<z.core.$ZodIssue, { code: 'unrecognized_keys' }>;

function isTopLevelUnknown(issue: z.core.$ZodIssue): issue is UnknownKeys {
  return issue.code === 'unrecognized_keys' && issue.path.length === 0;
}

function unknownTopLevel(keys: readonly string[], methods: readonly string[]): string[] {
  const known = [...Object.keys(recipeSchema.shape).filter((key) => key !== '$schema'), ...methods];
  return keys.map((key) => `${key}: unknown key, and no method of this recipe. ${didYouMean(key, known)}`);
}

function invalid(problems: readonly string[], where: string): TunesmithError {
  const [only] = problems;
  const what =
    problems.length === 1
      ? (only as string)
      : `${problems.length} problems\n${problems.map((one) => `  ${one}`).join('\n')}`;
  return new TunesmithError('CONFIG_INVALID', what, { where });
}
