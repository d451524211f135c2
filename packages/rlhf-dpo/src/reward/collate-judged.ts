import { type Batch, type CollateOptions, collateTokens, type Row } from '@tunesmith/core';
import { bothTexts } from '../pairs/collate-pairs.js';
import { collateShared, shareTexts } from '../pairs/share-prompt.js';

type Text = Pick<Row, 'tokens' | 'weights'>;

/**
 * Pairs as texts that are judged as a whole: row 2i is the text with the chosen answer, row 2i + 1 that with the rejected one.
 *
 * Columns, for n pairs: `ids`, `positions`, `segments` int32 `[2n, length]`, or where both texts of a pair lie in one row behind their
 * prompt, `ids`, `positions`, `branches` int32 `[n, length]`; `last` int32 `[2n]`, the flat index of each text's last token;
 * `margins` float32 `[n]`, 0 where the data says none; `pairWeights` float32 `[n]`, 0 for pairs that only fill up the batch.
 * @throws DATA_INVALID for a row that is no pair
 */
export function collateJudged(
  name: string,
  rows: readonly Row[],
  options: CollateOptions,
  { shared }: { readonly shared: boolean },
): Batch {
  const texts = rows.flatMap((row) => bothTexts(name, row));
  const { columns, last } = shared ? inOneRow(texts, options) : apart(texts, options);
  const margins = new Float32Array(options.rows);
  for (const [pair, { margin = 0 }] of rows.entries()) margins[pair] = margin;
  return {
    columns: {
      ...columns,
      last: { dtype: 'int32', shape: [last.length], data: last },
      margins: { dtype: 'float32', shape: [options.rows], data: margins },
      pairWeights: {
        dtype: 'float32',
        shape: [options.rows],
        data: new Float32Array(options.rows).fill(1, 0, rows.length),
      },
    },
    rows: rows.length,
    tokens: texts.reduce((sum, { tokens }) => sum + tokens.length, 0),
    normalizers: { pairs: rows.length },
  };
}

function apart(texts: readonly Text[], options: CollateOptions) {
  const count = 2 * options.rows;
  const { length, columns } = collateTokens(texts, { ...options, rows: count });
  const last = Int32Array.from({ length: count }, (_, row) => row * length + lastOf(texts[row]));
  return { columns, last };
}

function inOneRow(texts: readonly Text[], options: CollateOptions) {
  const pairs = Array.from({ length: texts.length / 2 }, (_, pair) =>
    shareTexts([texts[2 * pair] as Text, texts[2 * pair + 1] as Text]),
  );
  const { length, columns } = collateShared(pairs, options);
  const last = Int32Array.from({ length: 2 * options.rows }, (_, row) => {
    const pair = Math.floor(row / 2);
    return pair * length + (pairs[pair]?.indexOf(row % 2, lastOf(texts[row])) ?? 0);
  });
  return { columns, last };
}

function lastOf(text: Text | undefined): number {
  return Math.max(0, (text?.tokens.length ?? 0) - 1);
}
