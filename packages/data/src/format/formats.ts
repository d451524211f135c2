import { didYouMean, type RowKind, TunesmithError } from '@tunesmith/core';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import { comparedFormats } from './compared-formats.js';
import type { Example, RowSource } from './example.js';
import { readInstruction } from './instruction.js';
import type { LabelScheme } from './label-scheme.js';
import { labelledFormats } from './labelled-formats.js';
import { isMessages, readMessages, readShareGpt, readTools } from './message-list.js';
import { preferenceFormats } from './preference-formats.js';
import { type ColumnMap, type RowReader, readRow } from './row-reader.js';
import { squadFormat } from './squad-format.js';
import { taggedFormat } from './tagged-format.js';

/** How rows of a file become examples. */
export interface Format {
  readonly name: FormatName;
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** What its rows are for: answers to learn if not said. */
  readonly rows?: FormatRows;
  /** What data sets call its columns; the first fit is taken, what the user maps going before. Its own names if not said. */
  readonly alternatives?: readonly ColumnMap[];
  /** `labels` says how those of a labelled format become numbers. */
  parse(row: RowReader, labels?: LabelScheme): Example;
}

/** What rows are for: labels to learn, or what an objective of words asks for. */
export type FormatRows = RowKind;

export type FormatName =
  | 'messages'
  | 'sharegpt'
  | 'prompt-completion'
  | 'alpaca'
  | 'text'
  | 'labelled'
  | 'labelled-pair'
  | 'tagged'
  | 'anchor-positive'
  | 'scored-pair'
  | 'squad'
  | 'preference'
  | 'preference-sharegpt'
  | 'preference-alpaca'
  | 'rated'
  | 'rated-messages'
  | 'rated-sharegpt'
  | 'rated-alpaca'
  | 'prompt';

/** In the order of detection: the first whose required columns are all there is taken. */
export const formats: readonly Format[] = [
  {
    name: 'messages',
    required: ['messages'],
    optional: ['tools'],
    parse: (row) => chat(row, 'messages', readMessages(row, 'messages')),
  },
  {
    name: 'sharegpt',
    required: ['conversations'],
    optional: ['system', 'tools'],
    parse(row) {
      const messages = readShareGpt(row, 'conversations');
      const system = row.optionalText('system');
      return chat(row, 'conversations', system ? [{ role: 'system', content: system }, ...messages] : messages);
    },
  },
  {
    name: 'prompt-completion',
    required: ['prompt', 'completion'],
    optional: ['tools'],
    parse(row) {
      if (!isMessages(row, 'prompt')) {
        return { kind: 'pair', prompt: row.text('prompt'), completion: row.text('completion') };
      }
      const prompt = readMessages(row, 'prompt');
      return chat(row, 'completion', [...prompt, ...readMessages(row, 'completion')], prompt.length);
    },
  },
  {
    name: 'alpaca',
    required: ['instruction', 'output'],
    optional: ['input', 'system', 'history'],
    parse: (row) => readInstruction(row, 'output'),
  },
  { name: 'text', required: ['text'], optional: [], parse: (row) => ({ kind: 'text', text: row.text('text') }) },
  ...labelledFormats,
  taggedFormat,
  ...comparedFormats,
  squadFormat,
  ...preferenceFormats,
];

/** The format with this name. */
export function formatNamed(name: string): Format {
  const format = formats.find((candidate) => candidate.name === name);
  if (format !== undefined) return format;
  const names = formats.map((candidate) => candidate.name);
  throw new TunesmithError('NAME_UNKNOWN', `there is no data format ${JSON.stringify(name)}`, {
    hint: didYouMean(name, names),
  });
}

/** Reads one row of a file as an example; errors name the file, the row and the column. */
export function parseRow(
  row: JsonObject,
  format: Format,
  source: RowSource,
  columns: ColumnMap = {},
  labels?: LabelScheme,
): Example {
  return { ...format.parse(readRow(row, source, columns), labels), source };
}

function chat(row: RowReader, column: string, messages: ReturnType<typeof readMessages>, promptMessages = 0): Example {
  if (!messages.slice(promptMessages).some(({ role }) => role === 'assistant')) {
    throw row.wrong(column, 'at least one message of the assistant', row.value(column));
  }
  const tools = readTools(row, 'tools');
  return { kind: 'chat', messages, promptMessages, ...(tools && { tools }) };
}
