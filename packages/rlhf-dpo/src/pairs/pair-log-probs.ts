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
import { type ReferenceOptions, referenceRun } from '../reference/reference-options.js';

/** Log-probabilities of whole answers by the model, `[pairs]` each: the sums over their tokens. */
export interface AnswerLogProbs {
  readonly chosen: Tensor;
  readonly rejected: Tensor;
  /** Tokens of the answers, at least 1. */
  readonly chosenTokens: Tensor;
  readonly rejectedTokens: Tensor;
  /** 1, and 0 for pairs that only fill up the batch, which come last. */
  readonly weights: Tensor;
}

/** The same, and by the reference; 0 where there is none. */
export interface PairLogProbs extends AnswerLogProbs {
  readonly referenceChosen: Tensor;
  readonly referenceRejected: Tensor;
}

/** Where the reference's log-probabilities come from. */
export type ReferenceKind = 'adapter-off' | 'cached' | 'none';

/** The reference of an objective. */
export interface Reference extends ReferenceOptions {
  readonly reference: ReferenceKind;
}

/** The model's log-probabilities of collated pairs, and the reference's. */
export function pairLogProbs(model: Model, columns: Named<Tensor>, t: Trace, reference: Reference): PairLogProbs {
  // The reference first: what it takes is free again when the forward pass begins whose values the backward pass needs.
  const [referenceChosen, referenceRejected] = ofPairs(referenceLogProbs(model, columns, t, reference));
  return { ...answerLogProbs(model, columns, t).answers, referenceChosen, referenceRejected };
}

/** The model's log-probabilities of collated pairs, and Σ −log p of what is learnt word for word: a scalar, 0 if nothing is. */
export function answerLogProbs(
  model: Model,
  columns: Named<Tensor>,
  t: Trace,
): { readonly answers: AnswerLogProbs; readonly nll: Tensor } {
  const each = tokenLogProbs(model.run(t, tokenColumns(columns)), columns);
  const [chosen, rejected] = ofPairs(sumsOverAnswers(each, columns));
  const [chosenTokens, rejectedTokens] = ofPairs(columns.answerTokens as Tensor);
  const learnt = columns.learntWeights;
  return {
    answers: { chosen, rejected, chosenTokens, rejectedTokens, weights: columns.pairWeights as Tensor },
    nll: learnt === undefined ? tf.scalar(0) : tf.neg(tf.sum(tf.mul(each, learnt))),
  };
}

/** The log-probability of each row's answer, `[rows]`, by the reference. */
export function bareLogProbs(model: Model, columns: Named<Tensor>, t: Trace, options: ReferenceOptions): Tensor {
  const run = referenceRun(model, columns, t, options);
  return sumsOverAnswers(tokenLogProbs(run, columns), columns);
}

function referenceLogProbs(model: Model, columns: Named<Tensor>, t: Trace, options: Reference): Tensor {
  const { reference } = options;
  if (reference === 'none') return tf.zerosLike(columns.answerTokens as Tensor);
  if (columns.reference !== undefined) return columns.reference;
  if (reference === 'adapter-off') return bareLogProbs(model, columns, t, options);
  throw new TunesmithError('DATA_INVALID', 'the rows have no log-probabilities by the reference', {
    expected: 'a pass over the data before training (computePriors), as recipes make it',
    hint: 'Or let the reference be the model with its adapter off: reference: adapter-off.',
  });
}

/** log p of each target: `[count]`. */
function tokenLogProbs(run: ModelRun, { targetPositions, targets }: Named<Tensor>): Tensor {
  return run.logProbs(targetPositions as Tensor, targets as Tensor);
}

/** Σ over each row's answer of what there is for each target: `[rows]`. */
function sumsOverAnswers(each: Tensor, { targetRows, targetWeights, answerTokens }: Named<Tensor>): Tensor {
  const rows = answerTokens?.shape[0] as number;
  const weighted = tf.expandDims(tf.mul(each, targetWeights as Tensor), 0); // [1, count]
  const isOf = tf.equal(tf.expandDims(targetRows as Tensor, 1), tf.reshape(tf.range(0, rows, 1, 'int32'), [1, rows]));
  return tf.reshape(tf.matMul(weighted, tf.cast(isOf, 'float32')), [rows]);
}

/** `[2n]` as the even and the odd ones, `[n]` each. */
export function ofPairs(x: Tensor): [chosen: Tensor, rejected: Tensor] {
  const pairs = (x.shape[0] as number) / 2;
  const both = tf.reshape(x, [pairs, 2]);
  const side = (index: number): Tensor => tf.reshape(tf.slice(both, [0, index], [pairs, 1]), [pairs]);
  return [side(0), side(1)];
}
