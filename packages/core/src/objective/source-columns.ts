import type { HostTensor } from '../program/backend.js';
import { bucketLength } from './buckets.js';

/** What an encoder reads, int32 `[rows, source]`: ids, and 1 where they are a text's. */
export interface CollatedSources {
  readonly sourceIds: HostTensor;
  readonly sourceSegments: HostTensor;
}

/** Sources as columns of so many rows, padded on the right to a length of few. */
export function collateSources(
  sources: readonly Int32Array[],
  { rows, maxLength, padToken }: { readonly rows: number; readonly maxLength: number; readonly padToken: number },
): CollatedSources {
  const length = bucketLength(Math.max(1, ...sources.map((source) => source.length)), maxLength);
  const [ids, segments] = [new Int32Array(rows * length).fill(padToken), new Int32Array(rows * length)];
  for (const [row, source] of sources.entries()) {
    ids.set(source, row * length);
    segments.fill(1, row * length, row * length + source.length);
  }
  const column = (data: Int32Array): HostTensor => ({ dtype: 'int32', shape: [rows, length], data });
  return { sourceIds: column(ids), sourceSegments: column(segments) };
}
