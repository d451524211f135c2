import type { z } from 'zod';
import { didYouMean } from '../errors/nearest-names.js';
import { TunesmithError } from '../errors/tunesmith-error.js';
import type { quantizationSchema } from '../model/quantization-settings.js';
import type { CombinedAdapter, WeightedAdapter } from './adapter-file.js';
import { apiVersion, type Capabilities, type Method } from './method.js';
import { withoutHead } from './peft-config.js';

export interface MethodDefaults {
  /** The peak learning rate. */
  readonly learningRate?: number;
  /** How the base is quantised; as it is in the checkpoint if not said. */
  readonly quantization?: z.input<typeof quantizationSchema>;
}

export interface MethodDefinition<Schema extends z.ZodObject> {
  readonly name: string;
  /** The contract it was written for. */
  readonly apiVersion: number;
  readonly summary: string;
  /** A strict object: every field described, with a default where one is sensible. */
  readonly config: Schema;
  /** What it can do, whatever its config; `create` says where a config changes that. */
  readonly capabilities: Capabilities;
  /** What a recipe gets that says nothing of its own (rule J of the plugin contract). */
  readonly defaults?: MethodDefaults;
  /** Options that act in training alone, such as dropout: adapters that differ in these run the same programs. */
  readonly trainingOptions?: readonly (keyof z.output<Schema> & string)[];
  /** The hooks, for one config. LoRA needs `patchModel` and the two that save it. */
  create(config: z.output<Schema>): ConfiguredMethod;
  /** Makes one adapter of several, by options of the method's own. Absent where that has no meaning. */
  combine?(
    adapters: readonly WeightedAdapter<z.output<Schema>>[],
    options: Readonly<Record<string, unknown>>,
  ): CombinedAdapter<z.input<Schema>>;
  /** An adapter folder's PEFT config as this method's config, or null if it is another method's. */
  fromPeft?(peftConfig: Record<string, unknown>): z.input<Schema> | null;
  /** The same of AdapterHub's `config`. */
  fromAdapterHub?(hubConfig: Record<string, unknown>): z.input<Schema> | null;
}

/** What `create` returns: a method without what its definition says of it. */
export type ConfiguredMethod = Omit<Method, 'name' | 'apiVersion' | 'config' | 'trainingOptions' | 'capabilities'> & {
  /** Where this config differs from what the definition declares. */
  readonly capabilities?: Partial<Capabilities>;
};

/** A method as its package exports it: call it with a config to use it. */
export interface MethodFactory<Schema extends z.ZodObject = z.ZodObject> {
  (config?: z.input<Schema>): Method;
  readonly definition: MethodDefinition<Schema>;
}

/** Makes a method out of its definition. Importing it registers nothing: it is a value for a recipe's array. */
export function defineMethod<Schema extends z.ZodObject>(definition: MethodDefinition<Schema>): MethodFactory<Schema> {
  if (definition.apiVersion !== apiVersion) {
    throw new TunesmithError('API_VERSION', `the method "${definition.name}" was written for another plugin contract`, {
      expected: `apiVersion ${apiVersion}`,
      got: String(definition.apiVersion),
      hint: 'Install versions of the method and of @tunesmith/core that go together.',
    });
  }
  const create = (input: z.input<Schema> = {} as z.input<Schema>): Method => {
    const config = parseConfig(definition.config, input, definition.name);
    const { capabilities, ...hooks } = definition.create(config);
    return {
      ...hooks,
      name: definition.name,
      apiVersion: definition.apiVersion,
      config,
      trainingOptions: definition.trainingOptions ?? [],
      capabilities: { ...definition.capabilities, ...capabilities },
    };
  };
  const { fromPeft } = definition;
  if (fromPeft === undefined) return Object.assign(create, { definition });
  return Object.assign(create, {
    definition: { ...definition, fromPeft: (peft: Record<string, unknown>) => fromPeft(withOwnModules(peft)) },
  });
}

/** PEFT lists a task's head among the modules to save; here it is the engine that trains it, beside any method. */
function withOwnModules(peft: Record<string, unknown>): Record<string, unknown> {
  const others = withoutHead(peft.modules_to_save, peft.task_type);
  return Array.isArray(others) ? { ...peft, modules_to_save: others.length > 0 ? others : null } : peft;
}

/** Parses with a strict schema; all errors at once, unknown keys with the nearest known ones. */
export function parseConfig<Schema extends z.ZodObject>(
  schema: Schema,
  input: unknown,
  where: string,
): z.output<Schema> {
  const result = schema.strict().safeParse(input);
  if (result.success) return result.data as z.output<Schema>;
  const problems = result.error.issues.map((issue) => describeIssue(issue, schema));
  throw new TunesmithError('CONFIG_INVALID', problems.join('; '), { where });
}

function describeIssue(issue: z.core.$ZodIssue, schema: z.ZodObject): string {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = path === '' ? Object.keys(schema.shape) : [];
    return issue.keys
      .map((key) => `unknown key "${path === '' ? key : `${path}.${key}`}". ${didYouMean(key, known)}`)
      .join('; ');
  }
  return path === '' ? issue.message : `${path}: ${issue.message}`;
}
