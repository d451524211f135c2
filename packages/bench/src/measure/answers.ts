import { type Objective, sft, type Tensor, tf } from '@tunesmith/core';

/**
 * Supervised fine-tuning's loss, and beside it the share of tokens that are the likeliest after the right ones before them,
 * `tokenAccuracy`, and the share of rows of which every token is, `exactMatch`. Such an answer, its end token included, is
 * what greedy decoding gives to the letter: one forward pass tells, and no token is generated.
 */
export const answers: Objective = {
  ...sft,
  name: 'answers',
  predictions: {
    /** Tokens of each row's answer that are the likeliest, and all of them, `[rows, 2]`. */
    predict(model, columns, t) {
      const { ids, positions, segments, targetPositions, targets, targetWeights } = columns as Record<string, Tensor>;
      const given = { ids, positions, ...(segments && { segments }) } as { ids: Tensor; positions: Tensor };
      const logits = model.run(t, given).logits(targetPositions as Tensor); // [count, vocabulary]
      const [rows = 0, length = 0] = (ids as Tensor).shape;
      const isRight = tf.cast(tf.equal(tf.argMax(logits, -1), targets as Tensor), 'float32'); // [count]
      const counts = tf.cast(tf.greater(targetWeights as Tensor, tf.scalar(0)), 'float32'); // [count]
      const row = tf.floorDiv(targetPositions as Tensor, tf.scalar(length, 'int32')); // [count]
      const numbers = tf.tensor1d(
        Int32Array.from({ length: rows }, (_, index) => index),
        'int32',
      );
      const inRow = tf.cast(tf.equal(tf.reshape(numbers, [rows, 1]), tf.reshape(row, [1, -1])), 'float32'); // [rows, count]
      return tf.matMul(inRow, tf.stack([tf.mul(isRight, counts), counts], 1)); // [rows, 2]
    },
    measure(_rows, counted) {
      const [right, all] = [0, 1].map((at) => counted.reduce((sum, row) => sum + (row[at] as number), 0));
      const exact = counted.filter(([likeliest, tokens]) => likeliest === tokens).length;
      return { exactMatch: exact / counted.length, tokenAccuracy: (right as number) / (all as number) };
    },
  },
};
