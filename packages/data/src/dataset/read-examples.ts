import { type DetectedFormat, detectFormat, type FormatOptions } from '../format/detect-format.js';
import type { Example } from '../format/example.js';
import { parseRow } from '../format/formats.js';
import { type FilePosition, fileStart, type ReadOptions } from '../read/file-row.js';
import { readRows } from '../read/read-rows.js';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';

export interface ExampleOptions extends FormatOptions, ReadOptions {}

/** A place between two examples of a list of files, as plain JSON. */
export interface ExamplePosition {
  /** Place in the list of files, from 0. */
  readonly file: number;
  readonly at: FilePosition;
}

export interface ReadExample {
  readonly example: Example;
  /** The position behind the example. */
  readonly next: ExamplePosition;
}

const rowsForDetection = 20;

/** The examples of several files, one after another, from a position. */
export async function* readExamples(
  files: readonly string[],
  options: ExampleOptions = {},
  from: ExamplePosition = { file: 0, at: fileStart },
): AsyncGenerator<ReadExample> {
  for (const [index, file] of files.entries()) {
    if (index < from.file) continue;
    const format = await detectFileFormat(file, options);
    for await (const { value, row, next } of readRows(file, index === from.file ? from.at : fileStart, options)) {
      const example = parseRow(value, format, { file, row }, format.columns, options.labels);
      yield { example, next: { file: index, at: next } };
    }
  }
}

/** The format of a file, from its first rows. */
export async function detectFileFormat(file: string, options: ExampleOptions = {}): Promise<DetectedFormat> {
  const first: JsonObject[] = [];
  for await (const { value } of readRows(file, fileStart, options)) {
    first.push(value);
    if (first.length === rowsForDetection) break;
  }
  return detectFormat(first, file, options);
}
