import type { Row } from '../objective/row.js';
import type { HostTensor } from '../program/backend.js';

/** Rows in groups of a batch's size; the last may be smaller. */
export async function* inGroups(rows: AsyncIterable<Row> | Iterable<Row>, size: number): AsyncGenerator<Row[]> {
  let group: Row[] = [];
  for await (const row of rows) {
    group.push(row);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** The first rows of `[rows, width]`, without those that only filled up the batch. */
export function rowValues({ shape: [, width = 0], data }: HostTensor, rows: number): Float32Array[] {
  return Array.from({ length: rows }, (_, row) => Float32Array.from(data.subarray(row * width, (row + 1) * width)));
}
