import { TunesmithError } from '../errors/tunesmith-error.js';
import type { TokenColumns } from '../model/family.js';
import type { HostTensor } from '../program/backend.js';
import type { Named, Tensor } from '../tensor/tfjs.js';
import { bucketLength } from './buckets.js';
import type { CollateOptions } from './objective.js';
import type { Row } from './row.js';

/** The columns of a batch's tokens, filled up to a common length. */
export interface CollatedTokens {
  readonly length: number;
  /** `ids`, `positions`, `segments`, and `tokenTypes` where rows have them: int32 `[rows, length]`. */
  readonly columns: { readonly ids: HostTensor; readonly segments: HostTensor } & Named<HostTensor>;
}

/**
 * Rows as columns, padded on the right. Segments count from 1 and are 0 in the padding.
 * @throws SHAPE_MISMATCH for a row above the limit
 */
export function collateTokens(
  rows: readonly Row[],
  { rows: count, maxLength, padToken }: CollateOptions,
): CollatedTokens {
  const longest = Math.max(1, ...rows.map(({ tokens }) => tokens.length));
  if (longest > maxLength) {
    throw new TunesmithError('SHAPE_MISMATCH', 'a row is longer than the model or the recipe allows', {
      expected: `at most ${maxLength} tokens`,
      got: String(longest),
    });
  }
  const length = bucketLength(longest, maxLength);
  const column = (fill: number, of: (row: Row) => Int32Array): HostTensor => {
    const data = new Int32Array(count * length).fill(fill);
    for (const [index, row] of rows.entries()) data.set(of(row), index * length);
    return { dtype: 'int32', shape: [count, length], data };
  };
  const typed = rows.some(({ tokenTypes }) => tokenTypes !== undefined);
  return {
    length,
    columns: {
      ids: column(padToken, ({ tokens }) => tokens),
      positions: column(0, ({ tokens, positions }) => positions ?? tokens.map((_, position) => position)),
      segments: column(0, ({ tokens, segments }) => segments ?? new Int32Array(tokens.length).fill(1)),
      ...(typed
        ? { tokenTypes: column(0, ({ tokens, tokenTypes }) => tokenTypes ?? new Int32Array(tokens.length)) }
        : {}),
    },
  };
}

/** What the forward pass reads of a batch's columns. */
export function tokenColumns(columns: Named<Tensor>): TokenColumns {
  const { ids, positions, tokenTypes, segments, sourceIds, sourceSegments } = columns;
  return {
    ids: ids as Tensor,
    positions: positions as Tensor,
    ...(tokenTypes === undefined ? {} : { tokenTypes }),
    ...(segments === undefined ? {} : { segments }),
    ...(sourceIds && sourceSegments && { source: { ids: sourceIds, segments: sourceSegments } }),
  };
}
