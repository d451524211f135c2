import { TunesmithError } from '@tunesmith/core';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import { type RowSource, rowLabel } from './example.js';

/** Which of a file's columns stands for which of a format's: `{ prompt: 'question', completion: 'answer' }`. */
export type ColumnMap = Readonly<Record<string, string>>;

/** Typed access to the columns of one row, with errors that name file, row and column. */
export interface RowReader {
  has(column: string): boolean;
  text(column: string): string;
  /** An absent or null column is undefined. */
  optionalText(column: string): string | undefined;
  /** A list; from text (a CSV cell) it is parsed as JSON. */
  list(column: string): readonly unknown[];
  optionalList(column: string): readonly unknown[] | undefined;
  value(column: string): unknown;
  /** The error for what a column holds; `path` leads to the part of it that is wrong. */
  wrong(column: string, expected: string, got: unknown, path?: string): TunesmithError;
}

export function readRow(row: JsonObject, source: RowSource, columns: ColumnMap = {}): RowReader {
  const nameOf = (column: string) => columns[column] ?? column;
  const value = (column: string) => row[nameOf(column)];
  const present = (column: string) => value(column) !== undefined && value(column) !== null;

  const wrong = (column: string, expected: string, got: unknown, path = '') =>
    new TunesmithError('DATA_INVALID', 'the row does not fit the format', {
      where: rowLabel(source, nameOf(column) + path),
      expected,
      got: describe(got),
      ...(!present(column) && { hint: `The row has ${Object.keys(row).join(', ') || 'no columns'}.` }),
    });

  const reader: RowReader = {
    has: present,
    value,
    wrong,
    text(column) {
      const cell = value(column);
      if (typeof cell !== 'string') throw wrong(column, 'text', cell);
      return cell;
    },
    optionalText: (column) => (present(column) ? reader.text(column) : undefined),
    list(column) {
      const cell = typeof value(column) === 'string' ? parsed(value(column) as string) : value(column);
      if (!Array.isArray(cell)) throw wrong(column, 'a list', value(column));
      return cell;
    },
    optionalList: (column) => (present(column) && value(column) !== '' ? reader.list(column) : undefined),
  };
  return reader;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A value in a few words. */
function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? Number(inner) : inner));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
