import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { TunesmithError } from '@tunesmith/core';
import { CsvError, parse } from 'csv-parse';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import type { FileReader } from './file-row.js';
import { notUtf8 } from './read-lines.js';

/** Comma-separated values after RFC 4180, the first line naming the columns; a cell may hold line breaks. */
export const readCsv: FileReader = (file, from) => readSeparated(file, from.rows, ',');

/** Tab-separated values, the first line naming the columns. */
export const readTsv: FileReader = (file, from) => readSeparated(file, from.rows, '\t');

async function* readSeparated(file: string, skip: number, delimiter: string): ReturnType<FileReader> {
  const parser = parse({ columns: true, bom: true, info: true, delimiter, skip_empty_lines: true });
  const feeding = pipeline(checkedUtf8(file), parser);
  // The loop below meets the same error; without a handler Node would end the process first.
  feeding.catch(() => {});
  let line = 1;
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
