import { type Batch, type CollateOptions, collateTokens, type Row } from '@tunesmith/core';
import { bothTexts } from '../pairs/collate-pairs.js';

/**
 * Pairs as texts that are judged as a whole: row 2i is the text with the chosen answer, row 2i + 1 that with the rejected one.
 *
 * Columns, for n pairs: `ids`, `positions`, `segments` int32 `[2n, length]`; `last` int32 `[2n]`, the flat index of each text's
 * last token; `margins` float32 `[n]`, 0 where the data says none; `pairWeights` float32 `[n]`, 0 for pairs that only fill up
 * the batch.
 * @throws DATA_INVALID for a row that is no pair
 */
export function collateJudged(name: string, rows: readonly Row[], options: CollateOptions): Batch {
  const texts = rows.flatMap((row) => bothTexts(name, row));
  const count = 2 * options.rows;
  const { length, columns } = collateTokens(texts, { ...options, rows: count });
  const last = Int32Array.from(
    { length: count },
    (_, row) => row * length + Math.max(0, (texts[row]?.tokens.length ?? 0) - 1),
  );
  const margins = new Float32Array(options.rows);
  for (const [pair, { margin = 0 }] of rows.entries()) margins[pair] = margin;
  return {
    columns: {
      ...columns,
      last: { dtype: 'int32', shape: [count], data: last },
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
