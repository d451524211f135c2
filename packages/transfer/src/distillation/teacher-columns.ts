import {
  type Batch,
  type CollateOptions,
  type HostTensor,
  type Model,
  type Named,
  type Row,
  sft,
  type Tensor,
  type Trace,
  TunesmithError,
  tf,
  tokenColumns,
  weightedTargets,
} from '@tunesmith/core';
import type { SoftTargets } from './soft-targets.js';

/**
 * A batch as `sft` has it, and beside it what the teacher says of each target: `teacherTokens` int32 and `teacherLogProbs` float32,
 * `[count, top]` each. Rows of which the teacher was not asked yet have `slots` instead, int32 `[rows · most]`: the flat index of the
 * position that predicts each target, row by row, `most` for each.
 */
export function collateTaught(rows: readonly Row[], options: CollateOptions): Batch {
  const batch = sft.collate(rows, options);
  const asked = rows.every(({ prior }) => prior !== undefined);
  const added = asked ? teacherColumns(rows, batch) : slotColumns(rows, batch);
  return { ...batch, columns: { ...batch.columns, ...added } };
}

/** What the teacher says of the targets of a collated batch. @throws DATA_INVALID */
export function taughtBy({ teacherTokens, teacherLogProbs }: Named<Tensor>): SoftTargets {
  if (teacherTokens !== undefined && teacherLogProbs !== undefined) {
    return { tokens: teacherTokens, logProbs: teacherLogProbs };
  }
  throw new TunesmithError('DATA_INVALID', 'the rows have nothing from a teacher', {
    expected: 'a pass of the teacher over the data before training (computePriors), as recipes make it',
  });
}

/**
 * The `top` likeliest tokens of every target by the model that computes it, and their log-probabilities. For each row of the batch how
 * many they are, fewer where the vocabulary has fewer, and `most` times so many tokens and log-probabilities:
 * `[rows, 1 + most · 2 · top]`.
 */
export function likeliest(model: Model, { slots, ...columns }: Named<Tensor>, t: Trace, top: number): Tensor {
  const logits = model.run(t, tokenColumns(columns)).logits(slots as Tensor); // [rows · most, vocabulary]
  const width = Math.min(top, logits.shape[1] as number);
  const { values, indices } = tf.topk(tf.logSoftmax(logits), width);
  const rows = (columns.ids as Tensor).shape[0] as number;
  const said = tf.reshape(tf.concat([tf.cast(indices, 'float32'), values], 1), [rows, -1]);
  return tf.concat([tf.fill([rows, 1], width), said], 1);
}

function slotColumns(rows: readonly Row[], { columns }: Batch): Named<HostTensor> {
  const [count = 0, length = 0] = columns.ids?.shape ?? [];
  const targets = weightedTargets(rows, length);
  const each = Array.from({ length: count }, (_, row) => targets.filter((target) => target.row === row));
  const most = Math.max(1, ...each.map(({ length: some }) => some));
  const data = new Int32Array(count * most);
  for (const [row, some] of each.entries())
    data.set(
      Int32Array.from(some, ({ position }) => position),
      row * most,
    );
  return { slots: { dtype: 'int32', shape: [data.length], data } };
}

function teacherColumns(rows: readonly Row[], { columns }: Batch): Named<HostTensor> {
  const [, length = 0] = columns.ids?.shape ?? [];
  const [count = 0] = columns.targets?.shape ?? [];
  const width = rows[0]?.prior?.[0] ?? 1;
  const [tokens, logProbs] = [new Int32Array(count * width), new Float32Array(count * width)];
  let [row, at] = [-1, 0];
  for (const [index, target] of weightedTargets(rows, length).entries()) {
    at = target.row === row ? at + 2 * width : 1;
    row = target.row;
    const said = (rows[row] as Row).prior?.subarray(at, at + 2 * width) as Float32Array;
    tokens.set(said.subarray(0, width), index * width);
    logProbs.set(said.subarray(width), index * width);
  }
  return {
    teacherTokens: { dtype: 'int32', shape: [count, width], data: tokens },
    teacherLogProbs: { dtype: 'float32', shape: [count, width], data: logProbs },
  };
}
