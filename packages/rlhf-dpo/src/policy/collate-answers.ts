import {
  type Batch,
  bucketLength,
  type CollateOptions,
  collateTokens,
  type HostTensor,
  type Row,
} from '@tunesmith/core';

/** What of rollouts becomes columns. */
export interface AnswerColumns {
  readonly maxNewTokens: number;
  /** Names of numbers of tokens, and of answers. */
  readonly perToken: readonly string[];
  readonly perAnswer: readonly string[];
  /** Numbers of answers of which the sum over a batch is a normaliser; for a row that has none, the answer's tokens. */
  readonly summed?: readonly string[];
}

/**
 * Answers as a batch. Columns, for n rows and answers of up to w tokens: `ids`, `positions` int32 `[n, length]`; `answerPositions`
 * int32 `[n · w]`, the flat index of the position that predicts each token of an answer, and `answerTokens` int32 `[n · w]`;
 * `answerMask` float32 `[n, w]`, 1 where there is a token; the numbers of tokens `[n, w]` and of answers `[n]`, by their names, 0
 * where a row has none. A row without an answer counts as one that is answered in full, as a plan has them.
 */
export function collateAnswers(
  given: readonly Row[],
  options: CollateOptions,
  { maxNewTokens, perToken, perAnswer, summed = [] }: AnswerColumns,
): Batch {
  const rows = given.map((row) =>
    startOf(row) < row.tokens.length ? row : filledUp(row, maxNewTokens, options.padToken),
  );
  // Right padding needs no mask of its own: causal attention never looks at it.
  const { length, columns } = collateTokens(rows, options);
  const { segments: _, ...tokens } = columns;
  const starts = rows.map(startOf);
  const lengths = rows.map((row, index) => row.tokens.length - (starts[index] as number));
  const width = bucketLength(Math.max(1, ...lengths), maxNewTokens);
  const size = options.rows * width;
  const [positions, targets, mask] = [new Int32Array(size), new Int32Array(size), new Float32Array(size)];
  const numbers = perToken.map((name): [string, Float32Array] => [name, new Float32Array(size)]);
  for (const [index, row] of rows.entries()) {
    const [start, count, at] = [starts[index] as number, lengths[index] as number, index * width];
    for (let token = 0; token < count; token++) positions[at + token] = index * length + start + token - 1;
    targets.set(row.tokens.subarray(start), at);
    mask.fill(1, at, at + count);
    for (const [name, data] of numbers) data.set(row.values?.perToken[name] ?? [], at);
  }
  const ofAnswers = perAnswer.map((name): [string, HostTensor] => {
    const data = new Float32Array(options.rows);
    for (const [index, row] of rows.entries()) data[index] = row.values?.perAnswer[name] ?? 0;
    return [name, { dtype: 'float32', shape: [options.rows], data }];
  });
  const sums = summed.map((name): [string, number] => [
    name,
    rows.reduce((sum, row, index) => sum + (row.values?.perAnswer[name] ?? (lengths[index] as number)), 0),
  ]);
  const shape = [options.rows, width];
  return {
    columns: {
      ...tokens,
      answerPositions: { dtype: 'int32', shape: [size], data: positions },
      answerTokens: { dtype: 'int32', shape: [size], data: targets },
      answerMask: { dtype: 'float32', shape, data: mask },
      ...Object.fromEntries(numbers.map(([name, data]) => [name, { dtype: 'float32', shape, data }])),
      ...Object.fromEntries(ofAnswers),
    },
    rows: rows.length,
    tokens: rows.reduce((sum, row) => sum + row.tokens.length, 0),
    normalizers: {
      answers: rows.length,
      tokens: lengths.reduce((sum, count) => sum + count, 0),
      ...Object.fromEntries(sums),
    },
  };
}

/** Where a row's answer begins; its end where there is none. */
function startOf({ weights }: Row): number {
  const first = weights.findIndex((weight) => weight > 0);
  return first === -1 ? weights.length : first;
}

function filledUp(row: Row, count: number, padToken: number): Row {
  const length = row.tokens.length + count;
  const [tokens, weights] = [new Int32Array(length).fill(padToken), new Float32Array(length)];
  tokens.set(row.tokens);
  weights.fill(1, row.tokens.length);
  return { ...row, tokens, weights };
}
