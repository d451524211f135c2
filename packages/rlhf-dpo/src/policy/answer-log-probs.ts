import { logProbabilities, type ModelRun, type Named, type Tensor, tf } from '@tunesmith/core';

/**
 * log p of each token of collated answers, at a temperature that divides the logits, `[rows, tokens]`; 0 where there is none.
 */
export function answerLogProbs(run: ModelRun, columns: Named<Tensor>, temperature: number): Tensor {
  const [positions, tokens, mask] = [columns.answerPositions, columns.answerTokens, columns.answerMask] as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const each =
    temperature === 1
      ? run.logProbs(positions, tokens)
      : logProbabilities(tf.mul(run.logits(positions), 1 / temperature), tokens);
  return tf.mul(tf.reshape(each, mask.shape), mask);
}
