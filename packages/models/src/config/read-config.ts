import { TunesmithError } from '@tunesmith/core';
import { z } from 'zod';

/**
 * A key whose other values would change the forward pass in a way that it doesn't compute: this value, or none.
 * Keys that no schema names, such as `initializer_range` or `use_cache`, have no say in a forward pass.
 */
export function only<const Value extends string | boolean | number>(value: Value): z.ZodType<unknown> {
  return z.literal(value).nullish();
}

/** What no family computes, whatever its config says beside it. */
export const refusedFields = {
  is_encoder_decoder: only(false),
  add_cross_attention: only(false),
  quantization_config: z.null().optional(),
  pruned_heads: z.strictObject({}).nullish(),
};

export const count = z.int().positive();

/**
 * Reads config.json by a schema that lists what the forward pass honours.
 * @throws CONFIG_INVALID with every key whose value it doesn't, what it expects there and what it got
 */
export function readConfig<Output>(schema: z.ZodType<Output>, json: Record<string, unknown>): Output {
  const result = schema.safeParse(json, { reportInput: true });
  if (result.success) return result.data;
  const problems = result.error.issues.map(describeIssue);
  const [first, ...others] = problems;
  if (first !== undefined && others.length === 0) {
    const { key, expected, got } = first;
    throw new TunesmithError('CONFIG_INVALID', `"${key}" is not what this forward pass computes`, {
      where: 'config.json',
      expected,
      got,
    });
  }
  throw new TunesmithError(
    'CONFIG_INVALID',
    problems.map(({ key, expected, got }) => `"${key}": expected ${expected}, got ${got}`).join('; '),
    { where: 'config.json' },
  );
}

function describeIssue(issue: z.core.$ZodIssue): { key: string; expected: string; got: string } {
  const key = issue.path.join('.');
  const got = shown(issue.input);
  switch (issue.code) {
    case 'invalid_value':
      return { key, expected: oneOf(issue.values), got };
    case 'invalid_union': {
      const { discriminator = '', options = [] } = issue as { discriminator?: string; options?: unknown[] };
      return { key, expected: oneOf(options), got: shown((issue.input as Record<string, unknown>)[discriminator]) };
    }
    case 'unrecognized_keys':
      return { key: issue.keys.map((each) => `${key}.${each}`).join('", "'), expected: 'no such key', got };
    case 'invalid_type':
      return { key, expected: `a value of type ${issue.expected}`, got };
    case 'too_small':
      return { key, expected: `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`, got };
    default:
      return { key, expected: issue.message, got };
  }
}

function oneOf(values: readonly unknown[]): string {
  return values.map(shown).join(' or ');
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
