import { didYouMean, type ProblemType } from '@tunesmith/core';
import type { RowReader } from './row-reader.js';

/** What the labels of a data set mean, and how they become numbers. */
export interface LabelScheme {
  /** One of the labels each, any number of them, or numbers themselves. */
  readonly problemType: ProblemType;
  /** The labels, or what the targets of a regression are called, in the order of a model's logits. */
  readonly names: readonly string[];
}

/** A row's label as numbers: the index of its class; 1 or 0 for each label; or the targets. */
export function labelNumbers(row: RowReader, column: string, { problemType, names }: LabelScheme): Float32Array {
  const value = row.value(column);
  switch (problemType) {
    case 'single-label':
      return Float32Array.of(indexOfLabel(row, column, value, names));
    case 'multi-label': {
      const given = listOf(value).map((entry, index) => indexOfLabel(row, column, entry, names, `[${index}]`));
      return Float32Array.from(names, (_, index) => (given.includes(index) ? 1 : 0));
    }
    case 'regression': {
      const numbers = listOf(value).map((entry) => (isBlank(entry) ? Number.NaN : Number(entry)));
      if (numbers.length === names.length && numbers.every(Number.isFinite)) return Float32Array.from(numbers);
      throw row.wrong(column, names.length === 1 ? 'a number' : `${names.length} numbers`, value);
    }
  }
}

/** A list as it is or as JSON text; anything else as a list of its own, and what is empty as an empty one. */
export function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (isBlank(value)) return [];
  if (typeof value !== 'string' || !value.trim().startsWith('[')) return [value];
  try {
    const parsed: unknown = JSON.parse(value);
    return Array.isArray(parsed) ? parsed : [value];
  } catch {
    return [value];
  }
}

function isBlank(value: unknown): boolean {
  return value === null || value === undefined || (typeof value === 'string' && value.trim() === '');
}

/** A label by its name, or else by its index. */
export function indexOfLabel(
  row: RowReader,
  column: string,
  value: unknown,
  names: readonly string[],
  path = '',
): number {
  if (!isBlank(value) && typeof value !== 'object') {
    const named = names.indexOf(String(value).trim());
    const index = named >= 0 ? named : Number(value);
    if (Number.isInteger(index) && index >= 0 && index < names.length) return index;
  }
  const near = typeof value === 'string' ? ` (${didYouMean(value, names)})` : '';
  const known = names.length > mostNamed ? [...names.slice(0, mostNamed), '…'] : names;
  throw row.wrong(column, `one of ${known.join(', ')}, or an index up to ${names.length - 1}${near}`, value, path);
}

const mostNamed = 12;
