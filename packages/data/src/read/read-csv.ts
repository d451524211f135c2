import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { TunesmithError } from '@tunesmith/core';
import { CsvError, parse } from 'csv-parse';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import type { FileReader, ReadOptions } from './file-row.js';
import { notUtf8 } from './read-lines.js';

/** Comma-separated values after RFC 4180, the first line naming the columns; a cell may hold line breaks. */
export const readCsv: FileReader = (file, from, options) => readSeparated(file, from.rows, { delimiter: ',' }, options);

/** Tab-separated values, the first line naming the columns; a quote within a cell is a character like any other. */
export const readTsv: FileReader = (file, from, options) =>
  readSeparated(file, from.rows, { delimiter: '\t', relax_quotes: true }, options);

async function* readSeparated(
  file: string,
  skip: number,
  kind: { readonly delimiter: string; readonly relax_quotes?: boolean },
  { header }: ReadOptions,
): ReturnType<FileReader> {
  const columns = header === undefined ? true : [...header];
  const parser = parse({ ...kind, columns, bom: true, info: true, skip_empty_lines: true });
  const feeding = pipeline(checkedUtf8(file), parser);
  // The loop below meets the same error; without a handler Node would end the process first.
  feeding.catch(() => {});
  let line = header === undefined ? 1 : 0;
  let rows = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: JsonObject; info: { lines: number } }>) {
      rows += 1;
      const row = line + 1;
      line = info.lines;
      if (rows > skip) yield { value: record, row, next: { rows } };
    }
    await feeding;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new TunesmithError('DATA_INVALID', `not valid CSV: ${error.message}`, {
      where: `${file}:${String(error.lines ?? line)}`,
      hint: 'A cell with a quote, comma or line break must stand in double quotes, with quotes inside doubled.',
      cause: error,
    });
  }
}

/** The file's bytes as they are, once it is known that they are UTF-8: the parser would replace what is not. */
async function* checkedUtf8(file: string): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const check = (bytes?: Uint8Array) => {
    try {
      decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (error) {
      throw notUtf8(file, error);
    }
  };
  for await (const bytes of createReadStream(file, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
    check(bytes);
    yield bytes;
  }
  check();
}
