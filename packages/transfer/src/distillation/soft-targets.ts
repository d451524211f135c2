import { type Tensor, tf } from '@tunesmith/core';

/** A teacher's distribution for each target: of all tokens, or of the likeliest alone, which then are taken to be all. */
export interface SoftTargets {
  /** The teacher's log-probabilities `[count, tokens]`. */
  readonly logProbs: Tensor;
  /** Which tokens they are of, int32 `[count, tokens]`; every token of the vocabulary in order where absent. */
  readonly tokens?: Tensor;
}

/** Which of two distributions the divergence takes its expectation over: KL(teacher ‖ student) or KL(student ‖ teacher). */
export type Direction = 'forward' | 'reverse';

/**
 * The divergence of a student's distribution from a teacher's, both at a temperature, `[count]`
 * (Hinton et al. 2015, arXiv:1503.02531, eq. 1): p_T(i) = softmax(z_i / T), and forward Σ p_teacher·(log p_teacher − log p_student).
 * A teacher's temperature works on log-probabilities as on logits, which differ by a constant.
 */
export function divergence(
  logits: Tensor,
  { logProbs, tokens }: SoftTargets,
  temperature: number,
  direction: Direction = 'forward',
): Tensor {
  const teacher = tf.logSoftmax(tf.div(logProbs, temperature)); // [count, tokens]
  const all = tf.logSoftmax(tf.div(logits, temperature)); // [count, vocabulary]
  const student = tokens === undefined ? all : ofTokens(all, tokens); // [count, tokens]
  const [over, other] = direction === 'forward' ? [teacher, student] : [student, teacher];
  return tf.sum(tf.mul(tf.exp(over), tf.sub(over, other)), -1);
}

/** x `[count, vocabulary]` at some tokens of each row: `[count, tokens]`. */
function ofTokens(x: Tensor, tokens: Tensor): Tensor {
  const [count = 0, vocabulary = 0] = x.shape;
  const starts = tf.mul(tf.reshape(tf.range(0, count, 1, 'int32'), [count, 1]), tf.scalar(vocabulary, 'int32'));
  const flat = tf.reshape(tf.add(tokens, starts), [-1]);
  return tf.reshape(tf.gather(tf.reshape(x, [-1]), flat as never), [...tokens.shape]);
}
