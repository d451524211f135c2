import type { z } from 'zod';
import { TunesmithError } from '../errors/tunesmith-error.js';
import { parseConfig } from '../method/define-method.js';
import { apiVersion } from '../method/method.js';
import type { Objective } from './objective.js';

/**
 * What an objective's rows are made of, which decides how data files are read: answers to learn, an answer that is preferred
 * to another, answers each called good or bad, prompts alone, texts with labels, words with a tag each, texts with one that each is
 * alike, pairs of texts with a number for how alike they are, or questions about passages. An objective of labels has the options `labels` and `problemType` as `classification` has them.
 */
export type RowKind =
  | 'answers'
  | 'preferences'
  | 'ratings'
  | 'prompts'
  | 'labels'
  | 'tags'
  | 'positives'
  | 'similarities'
  | 'questions';

export interface ObjectiveDefinition<Schema extends z.ZodObject> {
  readonly name: string;
  /** The contract it was written for. */
  readonly apiVersion: number;
  readonly summary: string;
  /** A strict object: every field described, with a default where one is sensible. */
  readonly config: Schema;
  readonly rows: RowKind;
  /** Whether rows without labels, those of `data.target`, are half of what it is trained on. */
  readonly unlabelled?: boolean;
  /** Why several rows cannot be packed into one, where they cannot. */
  readonly unpackable?: string;
  /** What a recipe gets that says nothing of its own (rule J of the plugin contract). */
  readonly defaults?: { readonly learningRate?: number };
  /** The objective for one config. @throws CONFIG_INVALID where options do not go together */
  create(config: z.output<Schema>): Omit<Objective, 'name'>;
}

/** An objective as its package exports it: call it with a config to use it. */
export interface ObjectiveFactory<Schema extends z.ZodObject = z.ZodObject> {
  (config?: z.input<Schema>): Objective;
  readonly definition: ObjectiveDefinition<Schema>;
}

/** Makes an objective out of its definition, for recipes to name. Importing it registers nothing. */
export function defineObjective<Schema extends z.ZodObject>(
  definition: ObjectiveDefinition<Schema>,
): ObjectiveFactory<Schema> {
  const { name, config: schema } = definition;
  if (definition.apiVersion !== apiVersion) {
    throw new TunesmithError('API_VERSION', `the objective "${name}" was written for another plugin contract`, {
      expected: `apiVersion ${apiVersion}`,
      got: String(definition.apiVersion),
      hint: 'Install versions of its package and of @tunesmith/core that go together.',
    });
  }
  const create = (input: z.input<Schema> = {} as z.input<Schema>): Objective => ({
    ...definition.create(parseConfig(schema, input, name)),
    name,
  });
  return Object.assign(create, { definition });
}
