import { didYouMean } from '@tunesmith/core';
import type { z } from 'zod';

/** One problem of a config in one sentence that begins with the key's path. */
export function describeIssue(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  prefix: readonly PropertyKey[] = [],
): string[] {
  const path = (...keys: readonly PropertyKey[]): string => [...prefix, ...issue.path, ...keys].map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => `${path(key)}: unknown key. ${didYouMean(key, known)}`);
  }
  const told = issuesOfObject(issue);
  if (told !== undefined) return told.flatMap((inner) => describeIssue(inner, schema, [...prefix, ...issue.path]));
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
    return `expected ${[...expected].join(' or ')}${got(issue.input)}`;
  }
  const message = issue.message.replace(/^(Invalid input|Too (small|big)): /, '');
  return `${message.replace(/, received .*$/, '')}${got(issue.input)}`;
}

function got(input: unknown): string {
  if (input === undefined) return '';
  const text = JSON.stringify(input) ?? String(input);
  return `, got ${text.length > 60 ? `${text.slice(0, 59)}…` : text}`;
}

/** The keys of the object schema at a path, through defaults and transforms. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: z.core.$ZodType | undefined = schema;
  for (const key of path) at = shapeOf(at)?.[String(key)];
  return Object.keys(shapeOf(at) ?? {}).filter((key) => key !== '$schema');
}

type Schema = z.core.$ZodType & { _zod: { def: { innerType?: z.core.$ZodType; in?: z.core.$ZodType } } };

function shapeOf(schema: z.core.$ZodType | undefined): Record<string, z.core.$ZodType> | undefined {
  let at = schema as Schema | undefined;
  for (let inner = at; inner !== undefined; inner = (at?._zod.def.innerType ?? at?._zod.def.in) as Schema | undefined) {
    at = inner;
  }
  return (at as { shape?: Record<string, z.core.$ZodType> } | undefined)?.shape;
}
