import { didYouMean } from '@tunesmith/core';
import type { z } from 'zod';

/** One problem of a config in one sentence that begins with the key's path. */
export function describeIssue(
  issue: z.core.$ZodIssue,
  schema: z.core.$ZodType | undefined,
  prefix: readonly PropertyKey[] = [],
): string[] {
  const path = (...keys: readonly PropertyKey[]): string => [...prefix, ...issue.path, ...keys].map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = keysOf(schemaAt(schema, issue.path));
    return issue.keys.map((key) => `${path(key)}: unknown key. ${didYouMean(key, known)}`);
  }
  const told = issuesOfObject(issue);
  if (told !== undefined) {
    const own = schemaAt(schema, issue.path);
    return told.flatMap((inner) => describeIssue(inner, own, [...prefix, ...issue.path]));
  }
  const where = path();
  const said = sentence(issue);
  return [where === '' ? said : `${where}: ${said}`];
}

/** Of something that may be an object or a word, what is wrong with the object that was given. */
function issuesOfObject(issue: z.core.$ZodIssue): z.core.$ZodIssue[] | undefined {
  if (issue.code !== 'invalid_union' || typeof issue.input !== 'object' || Array.isArray(issue.input)) return undefined;
  return issue.errors.find((issues) => issues.every(({ path }) => path.length > 0));
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'custom') return issue.message;
  if (issue.code === 'invalid_type' && issue.input === undefined) return `is missing; expected ${issue.expected}`;
  if (issue.code === 'invalid_value') return `expected ${issue.values.map(String).join(', ')}${got(issue.input)}`;
  if (issue.code === 'invalid_union') {
    const expected = new Set(issue.errors.flat().map((part) => ('expected' in part ? part.expected : part.message)));
    const wanted = `expected ${[...expected].join(' or ')}`;
    return issue.input === undefined ? `is missing; ${wanted}` : `${wanted}${got(issue.input)}`;
  }
  const message = issue.message.replace(/^(Invalid input|Too (small|big)): /, '');
  return `${message.replace(/, received .*$/, '')}${got(issue.input)}`;
}

function got(input: unknown): string {
  if (input === undefined) return '';
  const text = JSON.stringify(input) ?? String(input);
  return `, got ${text.length > 60 ? `${text.slice(0, 59)}…` : text}`;
}

/** The schema at a path, through defaults and transforms. */
function schemaAt(schema: z.core.$ZodType | undefined, path: readonly PropertyKey[]): z.core.$ZodType | undefined {
  return path.reduce<z.core.$ZodType | undefined>(
    (at, key) => (typeof key === 'number' ? elementOf(at) : shapeOf(at)?.[String(key)]),
    schema,
  );
}

function keysOf(schema: z.core.$ZodType | undefined): string[] {
  return Object.keys(shapeOf(schema) ?? {}).filter((key) => key !== '$schema');
}

interface Definition {
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly element?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
}

/** The schema of what an array holds, through defaults and transforms. */
function elementOf(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  if (schema === undefined) return undefined;
  const { element, innerType, in: before } = schema._zod.def as Definition;
  return element ?? elementOf(innerType ?? before);
}

/** Of what may be one of several, the shape of the first that is an object. */
function shapeOf(schema: z.core.$ZodType | undefined): Record<string, z.core.$ZodType> | undefined {
  if (schema === undefined) return undefined;
  const { shape } = schema as { shape?: Record<string, z.core.$ZodType> };
  if (shape !== undefined) return shape;
  const { innerType, in: before, options = [] } = schema._zod.def as Definition;
  const inside = [innerType, before, ...options];
  return inside.map(shapeOf).find((found) => found !== undefined);
}
