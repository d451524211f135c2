import { type LossTerm, type Objective, type Tensor, tf } from '@tunesmith/core';
import { collatePairs, type Learnt } from '../pairs/collate-pairs.js';
import { type AnswerLogProbs, answerLogProbs } from '../pairs/pair-log-probs.js';
import { pairMetrics } from '../pairs/pair-metrics.js';

/** What an objective without a reference makes of the answers' log-probabilities. */
export interface ReferenceFree {
  /** Means over the tokens of each answer, in place of sums. */
  readonly averaged: boolean;
  /** What of the chosen text is also learnt word for word, and what that weighs. */
  readonly learnt: Learnt;
  readonly learntWeight: number;
  /** Whether both answers lie in one row, behind their prompt. */
  readonly sharedPrompt: boolean;
  /** `[pairs]` */
  loss(answers: AnswerLogProbs): Tensor;
  /** `[pairs]` each */
  rewards(answers: AnswerLogProbs): { readonly chosen: Tensor; readonly rejected: Tensor };
  /** More to report: `[pairs]` each. */
  metrics?(answers: AnswerLogProbs): Readonly<Record<string, Tensor>>;
}

/**
 * The mean of a loss over pairs, and beside it, with a normaliser of its own, the mean −log p of the chosen text's tokens, as
 * maximum likelihood has it. Reported as `preference` and `nll_loss`, unweighted; the loss is their weighted total.
 */
export function referenceFree(name: string, parts: ReferenceFree): Omit<Objective, 'name'> {
  const learnt = parts.learntWeight === 0 ? undefined : parts.learnt;
  return {
    rowsEach: parts.sharedPrompt ? 1 : 2,
    collate: (rows, options) => collatePairs(name, rows, options, { learnt, shared: parts.sharedPrompt }),
    losses(model, columns, t) {
      const { answers: sums, nll } = answerLogProbs(model, columns, t);
      const answers = parts.averaged ? averages(sums) : sums;
      const perPair = (term: string, each: Tensor, weight: number): LossTerm => ({
        name: term,
        sum: tf.sum(tf.mul(each, answers.weights)),
        per: 'pairs',
        weight,
      });
      return [
        perPair('preference', parts.loss(answers), 1),
        ...(learnt === undefined ? [] : [{ name: 'nll_loss', sum: nll, per: 'learnt', weight: parts.learntWeight }]),
        ...pairMetrics(answers, parts.rewards(answers)),
        ...Object.entries(parts.metrics?.(answers) ?? {}).map(([term, each]) => perPair(term, each, 0)),
      ];
    },
  };
}

function averages({ chosen, rejected, ...answers }: AnswerLogProbs): AnswerLogProbs {
  return {
    ...answers,
    chosen: tf.div(chosen, answers.chosenTokens),
    rejected: tf.div(rejected, answers.rejectedTokens),
  };
}

/** β·log p: the rewards that are reported where there is no reference. */
export function scaled({ chosen, rejected }: AnswerLogProbs, beta: number): { chosen: Tensor; rejected: Tensor } {
  return { chosen: tf.mul(chosen, beta), rejected: tf.mul(rejected, beta) };
}
