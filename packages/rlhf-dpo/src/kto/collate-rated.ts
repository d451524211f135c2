import { type Batch, type CollateOptions, type Row, TunesmithError } from '@tunesmith/core';
import { collatePairs } from '../pairs/collate-pairs.js';
import { readRatedPrior } from './rated-prior.js';

/**
 * Rated answers as a batch of twice as many rows, laid out as pairs are: row 2i is the text, row 2i + 1 its prompt with the
 * answer of the row before it (of the first, the last), or with the one that a pass before training had. Beside the columns of pairs, `desirable` float32 `[n]`: 1 for good
 * answers, and the normalisers `desirable` and `undesirable`, which may be 0.
 * @throws DATA_INVALID for a row that is not rated, CONFIG_INVALID for batches of one row
 */
export function collateRated(rows: readonly Row[], options: CollateOptions): Batch {
  if (options.rows < 2) {
    throw new TunesmithError('CONFIG_INVALID', 'each prompt is computed with another row’s answer too', {
      ...{ where: 'kto', expected: 'a batchSize of at least 2', got: String(options.rows) },
    });
  }
  const pairs = rows.map((row, index): Row => {
    const { tokens, weights, segments } = row;
    const text = { tokens, weights, ...(segments && { segments }) };
    const known = readRatedPrior(row, promptLength(row));
    if (known !== null) return { ...text, rejected: known.other, prior: known.logProbs };
    return { ...text, rejected: answered(text, rows.at(index - 1) as Row, options.maxLength) };
  });
  const { columns, normalizers, ...batch } = collatePairs('kto', pairs, options);
  const desirable = new Float32Array(options.rows);
  for (const [index, { labels }] of rows.entries()) desirable[index] = ratingOf(labels);
  const count = desirable.reduce((sum, each) => sum + each, 0);
  return {
    ...batch,
    columns: { ...columns, desirable: { dtype: 'float32', shape: [options.rows], data: desirable } },
    tokens: rows.reduce((sum, { tokens }) => sum + tokens.length, 0),
    normalizers: { ...normalizers, desirable: count, undesirable: rows.length - count },
  };
}

function ratingOf(labels: Float32Array | undefined): number {
  const [label, ...more] = labels ?? [];
  if ((label === 0 || label === 1) && more.length === 0) return label;
  throw new TunesmithError('DATA_INVALID', 'a row is no rated answer', {
    ...{ where: 'kto', expected: 'rows of rated data: a prompt, an answer, and whether it is good' },
  });
}

/** A text's prompt with another's answer, cut at its end where it is too long. */
function answered(of: Pick<Row, 'tokens' | 'weights'>, other: Row, maxLength: number): Pick<Row, 'tokens' | 'weights'> {
  const [prompt, start] = [promptLength(of), promptLength(other)];
  const tokens = [...of.tokens.subarray(0, prompt), ...other.tokens.subarray(start)].slice(0, maxLength);
  const weights = [...of.weights.subarray(0, prompt), ...other.weights.subarray(start)].slice(0, maxLength);
  return { tokens: Int32Array.from(tokens), weights: Float32Array.from(weights) };
}

/** Tokens before the first that is learnt. */
function promptLength({ weights }: Pick<Row, 'weights'>): number {
  const first = weights.findIndex((weight) => weight > 0);
  return first === -1 ? weights.length : first;
}
