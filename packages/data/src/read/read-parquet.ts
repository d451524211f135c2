import { TunesmithError } from '@tunesmith/core';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import type { FileReader } from './file-row.js';

/** Parquet, one row group in memory at a time; 64-bit integers become numbers. */
export const readParquet: FileReader = async function* (file, from) {
  const readable = async <Value>(reading: Promise<Value>): Promise<Value> => {
    try {
      return await reading;
    } catch (error) {
      throw new TunesmithError('DATA_INVALID', `not a readable Parquet file: ${(error as Error).message}`, {
        where: file,
        cause: error,
      });
    }
  };
  const buffer = await asyncBufferFromFile(file);
  const metadata = await readable(parquetMetadataAsync(buffer));
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    if (end > from.rows) {
      const rowStart = Math.max(start, from.rows);
      const rows = await readable(parquetReadObjects({ file: buffer, metadata, compressors, rowStart, rowEnd: end }));
      for (const [index, value] of rows.entries()) {
        const row = rowStart + index + 1;
        yield { value: withoutBigInts(value) as JsonObject, row, next: { rows: row } };
      }
    }
    start = end;
  }
};

function withoutBigInts(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(withoutBigInts);
  if (typeof value !== 'object' || value === null || value instanceof Date || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutBigInts(inner)]));
}
