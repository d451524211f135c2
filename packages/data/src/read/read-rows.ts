import { stat } from 'node:fs/promises';
import path from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { type FilePosition, type FileReader, type FileRow, fileStart, type ReadOptions } from './file-row.js';
import { readCsv, readTsv } from './read-csv.js';
import { readJson } from './read-json.js';
import { readJsonLines, readText } from './read-lines.js';
import { readParquet } from './read-parquet.js';

const readers: Readonly<Record<string, FileReader>> = {
  '.json': readJson,
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.csv': readCsv,
  '.tsv': readTsv,
  '.parquet': readParquet,
  '.txt': readText,
};

/** The rows of a data file in bounded memory, by its extension: JSON, JSONL, CSV, TSV, Parquet or plain text. */
export async function* readRows(
  file: string,
  from: FilePosition = fileStart,
  options: ReadOptions = {},
): AsyncGenerator<FileRow> {
  const reader = readers[path.extname(file).toLowerCase()];
  if (reader === undefined) {
    throw new TunesmithError('DATA_INVALID', 'the file’s extension names no data format', {
      where: file,
      expected: Object.keys(readers).join(', '),
      got: path.extname(file) || 'none',
    });
  }
  await requireFile(file);
  yield* reader(file, from, options);
}

/** Size and modification time of a data file, or the error that it is not one. */
export async function requireFile(file: string): Promise<{ readonly size: number; readonly mtimeMs: number }> {
  const status = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new TunesmithError('FILE_MISSING', 'the data file cannot be opened', { where: file, cause: error });
  });
  if (!status.isFile()) throw new TunesmithError('FILE_MISSING', 'the data file is no file', { where: file });
  return status;
}
