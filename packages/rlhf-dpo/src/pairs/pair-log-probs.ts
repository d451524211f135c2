import {
  type Model,
  type ModelRun,
  type Named,
  type Tensor,
  type Trace,
  TunesmithError,
  tf,
  tokenColumns,
} from '@tunesmith/core';

/** Log-probabilities of whole answers, `[pairs]` each: the sums over their tokens. */
export interface PairLogProbs {
  readonly chosen: Tensor;
  readonly rejected: Tensor;
  /** The same by the reference; 0 where there is none. */
  readonly referenceChosen: Tensor;
  readonly referenceRejected: Tensor;
  /** Tokens of the answers, at least 1. */
  readonly chosenTokens: Tensor;
  readonly rejectedTokens: Tensor;
  /** 1, and 0 for pairs that only fill up the batch, which come last. */
  readonly weights: Tensor;
}

/** Where the reference's log-probabilities come from. */
export type ReferenceKind = 'adapter-off' | 'cached' | 'none';

/** The model's log-probabilities of collated pairs, and the reference's. */
export function pairLogProbs(model: Model, columns: Named<Tensor>, t: Trace, reference: ReferenceKind): PairLogProbs {
  // The reference first: what it takes is free again when the forward pass begins whose values the backward pass needs.
  const [referenceChosen, referenceRejected] = ofPairs(referenceLogProbs(model, columns, t, reference));
  const [chosen, rejected] = ofPairs(answerLogProbs(model.run(t, tokenColumns(columns)), columns));
  const [chosenTokens, rejectedTokens] = ofPairs(columns.answerTokens as Tensor);
  const weights = columns.pairWeights as Tensor;
  return { chosen, rejected, referenceChosen, referenceRejected, chosenTokens, rejectedTokens, weights };
}

/** The log-probability of each row's answer, `[rows]`, by the model as the checkpoint has it. */
export function bareLogProbs(model: Model, columns: Named<Tensor>, t: Trace): Tensor {
  return answerLogProbs(model.run(t, tokenColumns(columns), { methods: 'none' }), columns);
}

function referenceLogProbs(model: Model, columns: Named<Tensor>, t: Trace, reference: ReferenceKind): Tensor {
  if (reference === 'none') return tf.zerosLike(columns.answerTokens as Tensor);
  if (columns.reference !== undefined) return columns.reference;
  if (reference === 'adapter-off') return bareLogProbs(model, columns, t);
  throw new TunesmithError('DATA_INVALID', 'the rows have no log-probabilities by the reference', {
    expected: 'a pass over the data before training (computePriors), as recipes make it',
    hint: 'Or let the reference be the model with its adapter off: reference: adapter-off.',
  });
}

/** Σ log p(token) over each row's answer: `[rows]`. */
function answerLogProbs(
  run: ModelRun,
  { targetPositions, targets, targetRows, targetWeights, answerTokens }: Named<Tensor>,
): Tensor {
  const rows = answerTokens?.shape[0] as number;
  const each = tf.mul(run.logProbs(targetPositions as Tensor, targets as Tensor), targetWeights as Tensor); // [count]
  const isOf = tf.equal(tf.expandDims(targetRows as Tensor, 1), tf.reshape(tf.range(0, rows, 1, 'int32'), [1, rows]));
  return tf.reshape(tf.matMul(tf.expandDims(each, 0), tf.cast(isOf, 'float32')), [rows]);
}

/** `[2n]` as the even and the odd ones, `[n]` each. */
function ofPairs(x: Tensor): [chosen: Tensor, rejected: Tensor] {
  const pairs = (x.shape[0] as number) / 2;
  const both = tf.reshape(x, [pairs, 2]);
  const side = (index: number): Tensor => tf.reshape(tf.slice(both, [0, index], [pairs, 1]), [pairs]);
  return [side(0), side(1)];
}
