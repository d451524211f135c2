import {
  type Batch,
  type CollateOptions,
  collateTokens,
  type HostTensor,
  type Row,
  type Target,
  TunesmithError,
  targetColumns,
  weightedTargets,
} from '@tunesmith/core';
import { collateShared, sharedTargets, shareTexts } from './share-prompt.js';

/** What of the chosen text is also learnt word for word, if anything. */
export type Learnt = 'answer' | 'text';

export interface CollatePairsOptions {
  readonly learnt?: Learnt | undefined;
  /** Whether both texts lie in one row, behind what they begin with: `ids`, `positions` and `branches` are `[n, length]` then. */
  readonly shared?: boolean;
}

/**
 * Pairs as a batch of twice as many rows: row 2i is the text with the chosen answer, row 2i + 1 that with the rejected one.
 *
 * Columns, for n pairs: `ids`, `positions` int32 `[2n, length]`; the answers' tokens as `targetPositions`, `targets`,
 * `targetRows` int32 `[count]` and `targetWeights` float32 `[count]`; `answerTokens` float32 `[2n]`, how many each answer
 * has (1 at the least); `pairWeights` float32 `[n]`, 0 for pairs that only fill up the batch; and where the rows have it,
 * `reference` float32 `[2n]`, the answers' log-probabilities by the reference. Where something is learnt word for word,
 * `learntWeights` float32 `[count]`, what each target weighs in that, and their sum as the normaliser `learnt`.
 * @throws DATA_INVALID for a row that is no pair
 */
export function collatePairs(
  name: string,
  rows: readonly Row[],
  options: CollateOptions,
  { learnt, shared = false }: CollatePairsOptions = {},
): Batch {
  const texts = rows.flatMap((row) => bothTexts(name, row));
  const count = 2 * options.rows;
  const { width, targets: ofTexts } = targetsOf(texts, learnt, options.virtualTokens);
  const pairs = shared ? rows.map((row) => shareTexts(bothTexts(name, row) as [Row, Row])) : null;
  const { length, columns: tokens } = pairs ? collateShared(pairs, options) : collateApart(texts, options, count);
  const targets = pairs
    ? sharedTargets(ofTexts, pairs, { width, length })
    : ofTexts.map((target) => ({ ...target, position: target.position + target.row * (length - width) }));
  const targetColumn = targetColumns(targets, count * length);
  const learntWeights = new Float32Array(learnt === undefined ? 0 : targetColumn.targets.data.length);
  for (const [index, target] of targets.entries()) {
    // The chosen texts are the even ones. What is no answer weighs 0 as one.
    if (index < learntWeights.length && target.row % 2 === 0) learntWeights[index] = target.weight || 1;
  }
  const answerTokens = new Float32Array(count);
  for (const { row, weight } of targets) answerTokens[row] = (answerTokens[row] as number) + weight;
  return {
    columns: {
      ...tokens,
      ...targetColumn,
      ...(learnt && { learntWeights: float32(learntWeights) }),
      answerTokens: float32(answerTokens.map((number) => Math.max(1, number))),
      pairWeights: float32(new Float32Array(options.rows).fill(1, 0, rows.length)),
      ...referenceColumn(rows, count),
    },
    rows: rows.length,
    tokens: texts.reduce((sum, text) => sum + text.tokens.length, 0),
    normalizers: {
      pairs: rows.length,
      ...(learnt && { learnt: learntWeights.reduce((sum, weight) => sum + weight, 0) }),
    },
  };
}

/** Texts as rows of their own. */
function collateApart(texts: readonly Pick<Row, 'tokens' | 'weights'>[], options: CollateOptions, count: number) {
  const { length, columns } = collateTokens(texts, { ...options, rows: count });
  // Right padding needs no mask of its own: causal attention never looks at it.
  const { segments: _, ...tokens } = columns;
  return { length, columns: tokens };
}

/** What is learnt of texts, as if they were laid out in rows of one width. */
function targetsOf(
  texts: readonly Pick<Row, 'tokens' | 'weights'>[],
  learnt: Learnt | undefined,
  virtualTokens = 0,
): { readonly width: number; readonly targets: Target[] } {
  const width = Math.max(1, ...texts.map(({ tokens }) => tokens.length));
  return {
    width,
    targets: learnt === 'text' ? targetsOfPrompts(texts, width, virtualTokens) : weightedTargets(texts, width),
  };
}

/** The answers' tokens, and those of the chosen texts' prompts, which weigh 0. A text's first token has none of its own before it. */
function targetsOfPrompts(
  texts: readonly Pick<Row, 'tokens' | 'weights'>[],
  length: number,
  virtualTokens: number,
): Target[] {
  const whole = texts.map(({ tokens, weights }, row) => ({
    tokens,
    weights: row % 2 === 0 ? weights.map((_, index) => Number(index > virtualTokens)) : weights,
  }));
  return weightedTargets(whole, length).map((target) => ({
    ...target,
    weight: texts[target.row]?.weights[target.position - target.row * length + 1] as number,
  }));
}

/** The text with the chosen answer, and that with the rejected one. @throws DATA_INVALID for a row that is no pair */
export function bothTexts(name: string, { rejected, segments, ...row }: Row): Pick<Row, 'tokens' | 'weights'>[] {
  if (segments === undefined && rejected !== undefined) return [row, rejected];
  throw new TunesmithError(
    'DATA_INVALID',
    segments === undefined ? 'a row is no pair of answers' : 'pairs cannot be packed',
    {
      where: name,
      expected: 'rows of preference data: a prompt, an answer that was chosen and one that was rejected',
    },
  );
}

function referenceColumn(rows: readonly Row[], count: number): { reference?: HostTensor } {
  if (rows.some(({ prior }) => prior === undefined)) return {};
  const data = new Float32Array(count);
  for (const [index, { prior }] of rows.entries()) data.set(prior as Float32Array, 2 * index);
  return { reference: float32(data) };
}

function float32(data: Float32Array): HostTensor {
  return { dtype: 'float32', shape: [data.length], data };
}
