import type { MethodFactory } from '@tunesmith/core';
import { recipeJsonSchema } from './recipe.js';

/** One key of a recipe, for people. */
export interface RecipeKey {
  /** Its path, such as `trainer.steps`. */
  readonly key: string;
  readonly type: string;
  /** As JSON; null where there is none. */
  readonly default: string | null;
  readonly description: string;
}

interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly description?: string;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
}

/** Every key of a recipe with these methods, in the schema's order. */
export function recipeReference(factories: readonly MethodFactory[]): RecipeKey[] {
  return keysOf(recipeJsonSchema(factories) as JsonSchema, '').filter(({ key }) => key !== '$schema');
}

/** The keys as a Markdown table. */
export function markdownTable(keys: readonly RecipeKey[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const rows = keys.map(
    ({ key, type, default: value, description }) =>
      `| \`${key}\` | ${cell(type)} | ${value === null ? '' : `\`${cell(value)}\``} | ${cell(description)} |`,
  );
  return ['| key | type | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function keysOf(schema: JsonSchema, prefix: string): RecipeKey[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const key = `${prefix}${name}`;
    if (property.properties !== undefined) return keysOf(property, `${key}.`);
    const value = property.default === undefined ? null : JSON.stringify(property.default);
    // What may be a word or an object is a key of its own beside the object's.
    const object = property.anyOf?.find(({ properties }) => properties !== undefined);
    const words = object && { anyOf: property.anyOf?.filter((each) => each !== object) ?? [] };
    const row = { key, type: typeOf(words ?? property), default: value, description: property.description ?? '' };
    return [row, ...(object === undefined ? [] : keysOf(object, `${key}.`))];
  });
}

function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeOf))].join(' or ');
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'anything' : typeOf(schema.items)}`;
  if (schema.type === 'object' && typeof schema.additionalProperties === 'object') {
    return `names to ${typeOf(schema.additionalProperties)}`;
  }
  return schema.type ?? 'anything';
}
