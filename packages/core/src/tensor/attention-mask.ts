import { type Tensor, tf } from './tfjs.js';

/**
 * What is added to the score of a pair that must not attend: large enough that exp gives 0 beside any visible score, and
 * finite, so that a row without visible keys yields an average and no NaN.
 */
const maskedScore = -1e30;

/** An additive mask from a boolean one: 0 where visible. */
export function additiveMask(visible: Tensor): Tensor {
  return tf.mul(tf.cast(tf.logicalNot(visible), 'float32'), maskedScore);
}

/**
 * The additive mask [batch, 1, seq, keys] of packed or padded rows, to be added for all layers at once.
 * A query sees the keys of its own segment; segment 0 is padding, which nobody sees, and segment −1 a prefix, which
 * everybody sees. `querySegments` int32 [batch, seq], `keySegments` int32 [batch, keys].
 */
export function attentionMask(querySegments: Tensor, keySegments: Tensor): Tensor {
  const [batch = 0, length = 0] = querySegments.shape;
  const query = tf.reshape(querySegments, [batch, 1, length, 1]);
  const key = tf.reshape(keySegments, [batch, 1, 1, keySegments.shape[1] ?? 0]);
  const own = tf.logicalAnd(tf.equal(query, key), tf.notEqual(key, tf.scalar(0, 'int32')));
  return additiveMask(tf.logicalOr(own, tf.equal(key, tf.scalar(-1, 'int32'))));
}

/**
 * The additive mask [batch, 1, seq, keys] of segments that form trees: a query sees the keys of its own segment and of
 * every segment above it, so that a prompt shared by several answers is computed once and no answer sees another.
 * `parents[s]` is the segment above s, or 0 for a root; segments count from 1, and 0 is padding, which nobody sees.
 * `querySegments` int32 [batch, seq], `keySegments` int32 [batch, keys].
 */
export function treeMask(querySegments: Tensor, keySegments: Tensor, parents: readonly number[]): Tensor {
  const count = parents.length;
  const sees = Array.from({ length: count }, (_, segment) => {
    const row = new Array<number>(count).fill(0);
    // A parent that comes later, or the segment itself, would make a circle: each step must lead to an earlier one.
    for (let above = segment; above > 0; above = (parents[above] ?? 0) < above ? (parents[above] ?? 0) : 0)
      row[above] = 1;
    return row;
  });
  const [batch = 0, length = 0] = querySegments.shape;
  const query = tf.reshape(tf.oneHot(querySegments as never, count), [batch * length, count]);
  const above = tf.reshape(tf.matMul(tf.cast(query, 'float32'), tf.tensor2d(sees, [count, count])), [
    batch,
    length,
    count,
  ]);
  const key = tf.cast(tf.oneHot(keySegments as never, count), 'float32'); // [batch, keys, count]
  const visible = tf.greater(tf.matMul(above as never, key as never, false, true), 0.5); // [batch, seq, keys]
  return tf.expandDims(additiveMask(visible), 1);
}

/** The tree of rows whose tokens of branch 1 are shared by those of 2 and 3, which do not see each other: int32 [batch, seq]. */
export function branchMask(branches: Tensor): Tensor {
  return treeMask(branches, branches, [0, 0, 1, 1]);
}

/**
 * The additive mask [1, 1, seq, keys] of causal attention whose last query is aligned with the last key: with
 * `prefix = keys − seq`, query i sees key j iff j ≤ i + prefix and, with a window, j > i + prefix − window.
 * Undefined where every pair is visible.
 */
export function positionMask(
  length: number,
  keys: number,
  { causal, window }: { causal: boolean; window?: number | undefined },
): Tensor | undefined {
  const bounded = window !== undefined && window < keys;
  if (!(causal && length > 1) && !bounded) return undefined;
  const own = tf.reshape(tf.range(keys - length, keys, 1, 'int32'), [1, 1, length, 1]);
  const key = tf.reshape(tf.range(0, keys, 1, 'int32'), [1, 1, 1, keys]);
  const notAfter = causal ? tf.lessEqual(key, own) : undefined;
  if (!bounded) return additiveMask(notAfter!);
  const within = tf.greater(key, tf.sub(own, tf.scalar(window, 'int32')));
  return additiveMask(notAfter === undefined ? within : tf.logicalAnd(notAfter, within));
}
