import { TunesmithError } from '../../errors/tunesmith-error.js';
import type { HostTensor } from '../../program/backend.js';
import type { Batch, CollateOptions } from '../objective.js';
import type { Row } from '../row.js';
import { collateTokens } from '../token-columns.js';
import { candidateMask } from './candidate-mask.js';
import type { ContrastiveConfig } from './contrastive-config.js';

type Text = Pick<Row, 'tokens'>;

/**
 * Rows of texts as a batch of them, each row's one after another: anchor, positive, negatives; where rows have different numbers of
 * negatives, empty texts fill them up, which nothing is compared with.
 *
 * Columns, for n rows of w texts: `ids`, `positions`, `segments` int32 `[n·w, length]`; `inText` float32 `[n·w, length]`, 1 at a
 * text's own tokens; `firsts`, `lasts` int32 `[n·w]`, the flat indices of its first and last; `rowWeights` float32 `[n]`, 0 for rows
 * that only fill up the batch; and `candidates` float32 `[n, n·(w−1)]`, which texts each anchor is compared with, or `scores`
 * float32 `[n]`, how alike two texts are.
 * @throws DATA_INVALID for rows of other data; CONFIG_INVALID for a batch in which nothing is told apart
 */
export function collateTexts(
  rows: readonly Row[],
  options: CollateOptions,
  { loss, negatives }: Pick<ContrastiveConfig, 'loss' | 'negatives'>,
): Batch {
  const scored = loss !== 'multiple-negatives';
  const given = rows.map((row) => textsOf(row, loss, negatives, options));
  const width = Math.max(1, ...given.map((texts) => texts.length));
  const placed = given.flatMap((texts) => [...texts, ...new Array<Text>(width - texts.length).fill(nothing)]);
  const count = options.rows * width;
  const whole = placed.map((text): Row => ({ tokens: text.tokens, weights: new Float32Array(text.tokens.length) }));
  const { length, columns } = collateTokens(whole, { ...options, rows: count });
  const inText = new Float32Array(count * length);
  const [firsts, lasts] = [new Int32Array(count), new Int32Array(count)];
  const own = options.virtualTokens ?? 0;
  for (let text = 0; text < count; text++) {
    const size = placed[text]?.tokens.length ?? 0;
    inText.fill(1, text * length + Math.min(own, size), text * length + size);
    firsts[text] = text * length + Math.min(own, length - 1);
    lasts[text] = text * length + Math.max(0, size - 1);
  }
  const compares = width > 1 && !options.predicting;
  return {
    columns: {
      ...columns,
      inText: { dtype: 'float32', shape: [count, length], data: inText },
      firsts: { dtype: 'int32', shape: [count], data: firsts },
      lasts: { dtype: 'int32', shape: [count], data: lasts },
      rowWeights: float32(new Float32Array(options.rows).fill(1, 0, rows.length)),
      ...(compares && !scored
        ? {
            candidates: {
              dtype: 'float32',
              shape: [options.rows, options.rows * (width - 1)],
              data: candidateMask(given, options.rows, width - 1),
            },
          }
        : {}),
      ...(compares && scored ? { scores: float32(scoresOf(rows, options.rows)) } : {}),
    },
    rows: rows.length,
    tokens: given.flat().reduce((sum, { tokens }) => sum + tokens.length, 0),
    normalizers: { rows: rows.length, batches: 1 },
  };
}

const nothing: Text = { tokens: new Int32Array() };

/** A row's texts that are taken. */
function textsOf(
  { tokens, compared = [], labels, segments }: Row,
  loss: ContrastiveConfig['loss'],
  negatives: number,
  { predicting = false, random, rows }: CollateOptions,
): readonly Text[] {
  const scored = loss !== 'multiple-negatives';
  const fits = scored ? compared.length === 1 && (predicting || isScore(labels, loss)) : compared.length > 0;
  if (segments !== undefined || !(fits || (predicting && compared.length === 0))) {
    throw new TunesmithError('DATA_INVALID', segments ? 'packed rows have no vectors' : 'a row does not fit the loss', {
      where: `contrastive (loss: ${loss})`,
      expected: scored
        ? `two texts and a score${loss === 'cosine' ? ' from -1 to 1' : ''}`
        : 'a text, one that it is alike, and perhaps others that it is not',
      got: `${1 + compared.length} texts${labels === undefined ? '' : ` and [${labels.join(', ')}]`}`,
    });
  }
  if (!scored && random !== undefined && rows === 1 && compared.length < 2) {
    throw new TunesmithError('CONFIG_INVALID', 'a batch of one pair has nothing to tell it from', {
      where: 'trainer.batchSize',
      expected: '2 or more, or rows with hard negatives; sentence-transformers’ examples take 16 and more',
      got: '1',
    });
  }
  return [{ tokens }, ...compared.slice(0, scored ? 1 : 1 + negatives)];
}

function isScore(labels: Float32Array | undefined, loss: ContrastiveConfig['loss']): boolean {
  const [score = Number.NaN] = labels ?? [];
  return labels?.length === 1 && Number.isFinite(score) && (loss !== 'cosine' || Math.abs(score) <= 1);
}

function scoresOf(rows: readonly Row[], count: number): Float32Array {
  const scores = new Float32Array(count);
  for (const [index, { labels }] of rows.entries()) scores[index] = labels?.[0] as number;
  return scores;
}

function float32(data: Float32Array): HostTensor {
  return { dtype: 'float32', shape: [data.length], data };
}
