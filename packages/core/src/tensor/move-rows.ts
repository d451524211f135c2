import { defineOp, type Op } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

/** For each row of a result the rows that it is the sum of: int32 `[rows, each]`, and what each counts, 0 or 1, float32 `[rows, each]`. */
export interface RowSums {
  readonly rows: Tensor;
  readonly counts: Tensor;
}

type Inputs = readonly [Tensor, Tensor, Tensor, Tensor, Tensor];

const op: Op<object, Inputs, readonly [Tensor]> = defineOp<object, Inputs>({
  name: 'MoveRows',
  compose: ([x, rows, counts]) => {
    const [count = 0, each = 0] = rows.shape;
    const width = x.shape[1] as number;
    const taken = tf.reshape(tf.gather(x, tf.reshape(rows, [-1]) as never), [count, each, width]);
    const counted = tf.mul(taken, tf.reshape(counts, [count, each, 1]));
    return [each === 1 ? tf.reshape(counted, [count, width]) : tf.sum(counted, 1)];
  },
  gradient: ([dy], [, rows, counts, backRows, backCounts]) => [
    () => op([dy, backRows, backCounts, rows, counts], {})[0],
    ...([null, null, null, null] as const),
  ],
});

/**
 * `x` `[from, width]` → `[to, width]`: row i of the result is Σⱼ countsᵢⱼ · x[rowsᵢⱼ]. `back` says the same of the way back, so that the
 * gradient gathers too, where that of a gather would scatter.
 */
export function moveRows(x: Tensor, there: RowSums, back: RowSums): Tensor {
  return op([x, there.rows, there.counts, back.rows, back.counts], {})[0];
}
