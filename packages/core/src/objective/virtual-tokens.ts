import type { Model } from '../model/model.js';
import { bucketLength } from './buckets.js';
import type { Batch, CollateOptions, Objective } from './objective.js';
import type { Row } from './row.js';

type Reserving = Pick<Model, 'virtualTokens'>;

/**
 * A row with the model's virtual tokens before its text, or before each of several packed ones; they weigh nothing. Where an
 * encoder reads a text, they stand before that alone.
 */
export function addVirtualTokens({ virtualTokens }: Reserving, row: Row): Row {
  const count = virtualTokens.length;
  if (count === 0) return row;
  const { tokens, weights, segments, positions, tokenTypes, rejected, compared, source } = row;
  if (source !== undefined) return { ...row, source: Int32Array.from([...virtualTokens, ...source]) };
  const starts = textStarts(row);
  const length = tokens.length + count * starts.length;
  const result = {
    ...row,
    tokens: new Int32Array(length),
    weights: new Float32Array(length),
    ...(segments && { segments: new Int32Array(length) }),
    ...(positions && { positions: new Int32Array(length) }),
    ...(tokenTypes && { tokenTypes: new Int32Array(length) }),
    ...(rejected && { rejected: addVirtualTokens({ virtualTokens }, rejected) }),
    ...(compared && { compared: compared.map((text) => addVirtualTokens({ virtualTokens }, text)) }),
  };
  starts.forEach((start, text) => {
    const end = starts[text + 1] ?? tokens.length;
    const target = start + text * count;
    result.tokens.set(virtualTokens, target);
    result.tokens.set(tokens.subarray(start, end), target + count);
    result.weights.set(weights.subarray(start, end), target + count);
    result.tokenTypes?.set((tokenTypes as Int32Array).subarray(start, end), target + count);
    result.segments?.fill(segments?.[start] as number, target, target + count + end - start);
    result.positions?.set(
      Int32Array.from({ length: count }, (_, index) => index),
      target,
    );
    result.positions?.set(
      (positions as Int32Array).subarray(start, end).map((position) => position + count),
      target + count,
    );
  });
  return result;
}

/**
 * Collates rows with the model's virtual tokens. `maxLength` and the batch's count of tokens are the texts': what the
 * model adds comes on top.
 */
export function collateRows(
  model: Reserving,
  objective: Objective,
  rows: readonly Row[],
  options: CollateOptions,
): Batch {
  const count = model.virtualTokens.length;
  if (count === 0) return objective.collate(rows, options);
  const most = Math.max(1, ...rows.map((row) => textStarts(row).length));
  const texts = rows.map(
    (row) => textStarts(row).length + (row.rejected === undefined ? 0 : 1) + (row.compared?.length ?? 0),
  );
  const longest = options.maxLength + count * most;
  // Packed rows hold now more texts, now fewer: rounded up, so that each number is not a shape of its own.
  const maxLength = most === 1 ? longest : bucketLength(longest, Number.POSITIVE_INFINITY);
  const batch = objective.collate(
    rows.map((row) => addVirtualTokens(model, row)),
    { ...options, maxLength, virtualTokens: count },
  );
  return { ...batch, tokens: batch.tokens - count * texts.reduce((sum, each) => sum + each, 0) };
}

/** Where each text of a row begins. */
function textStarts({ tokens, segments }: Row): number[] {
  const starts = [0];
  if (segments === undefined) return starts;
  for (let index = 1; index < tokens.length; index++) if (segments[index] !== segments[index - 1]) starts.push(index);
  return starts;
}
