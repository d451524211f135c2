import { type Named, type Prior, type Row, type Tensor, tf } from '@tunesmith/core';
import { bareLogProbs } from '../pairs/pair-log-probs.js';
import type { ReferenceOptions } from '../reference/reference-options.js';

/** Numbers of a row's prior before the ids of the other text. */
const numbers = 4;

/**
 * What the reference says of a rated row, and of its prompt with another's answer, with that answer: which one it is belongs to
 * what is kept, because z0 needs the same again at every step, and steps see rows in another order. TRL too draws them once,
 * before it shuffles (`_get_kl_dataset`). Of each row: both log-probabilities, how many tokens the other answer has and where it
 * ends, and the ids of the other text without virtual tokens, which belong to a method; ids are exact in float32 below 2^24.
 */
export function ratedPrior(options: ReferenceOptions): Prior {
  return {
    key: 'rated-log-probs',
    compute(model, columns, t) {
      const both = tf.reshape(bareLogProbs(model, columns, t, options), [-1, 2]); // [rows, 2]
      const virtual = model.virtualTokens.length;
      const texts = tf.slice(ofOthers(columns.ids as Tensor), [0, virtual], [-1, -1]); // [rows, length]
      const counts = ofOthers(tf.expandDims(columns.answerTokens as Tensor, 1)); // [rows, 1]
      const ends = tf.sub(ofOthers(tf.expandDims(answerEnds(columns), 1)), virtual);
      return tf.concat([both, counts, ends, tf.cast(texts, 'float32')], 1);
    },
  };
}

/** Where the answer of each text ends, `[2n]`: behind the token that its last target position predicts. */
function answerEnds({ ids, targetPositions, targetRows, targetWeights }: Named<Tensor>): Tensor {
  const [rows = 0, length = 0] = (ids as Tensor).shape;
  const first = tf.mul(targetRows as Tensor, tf.scalar(length, 'int32'));
  const ends = tf.add(tf.cast(tf.sub(targetPositions as Tensor, first), 'float32'), 2); // [count]
  const isOf = tf.equal(tf.expandDims(targetRows as Tensor, 0), tf.reshape(tf.range(0, rows, 1, 'int32'), [rows, 1]));
  const weighs = tf.expandDims(tf.cast(tf.greater(targetWeights as Tensor, tf.scalar(0)), 'float32'), 0);
  return tf.max(tf.mul(tf.mul(tf.cast(isOf, 'float32'), weighs), tf.expandDims(ends, 0)), 1);
}

/** The odd rows of `[2n, width]`: `[n, width]`. */
function ofOthers(x: Tensor): Tensor {
  const [rows = 0, width = 0] = x.shape;
  return tf.reshape(tf.slice(tf.reshape(x, [rows / 2, 2, width]), [0, 1, 0], [-1, 1, -1]), [rows / 2, width]);
}

/** What a pass before training found for a row whose prompt has so many tokens; null where there was none. */
export function readRatedPrior(
  { prior, tokens }: Row,
  promptLength: number,
): { readonly logProbs: Float32Array; readonly other: Pick<Row, 'tokens' | 'weights'> } | null {
  if (prior === undefined) return null;
  const [count = 0, end = 0] = prior.subarray(2, numbers);
  const answer = prior.subarray(numbers + end - count, numbers + end);
  const other = Int32Array.from([...tokens.subarray(0, promptLength), ...answer]);
  return {
    logProbs: prior.slice(0, 2),
    other: { tokens: other, weights: new Float32Array(other.length).fill(1, promptLength) },
  };
}
