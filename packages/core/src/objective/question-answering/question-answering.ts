import { TunesmithError } from '../../errors/tunesmith-error.js';
import { apiVersion } from '../../method/method.js';
import type { HostTensor } from '../../program/backend.js';
import { logProbabilities } from '../../tensor/linear-cross-entropy.js';
import { type Named, type Tensor, tf } from '../../tensor/tfjs.js';
import { bucketLength } from '../buckets.js';
import { defineObjective } from '../define-objective.js';
import type { Batch, CollateOptions } from '../objective.js';
import type { Row } from '../row.js';
import { collateTokens, tokenColumns } from '../token-columns.js';
import { measureAnswers } from './measure-answers.js';
import { questionAnsweringConfigSchema } from './question-answering-config.js';

/**
 * Answers that stand in a passage (Devlin et al. 2018, §4.2, as transformers computes it, loss/loss_utils.py): every token has a logit for the
 * answer's beginning and one for its end, and a row's loss is the mean of both cross-entropies over all of its tokens; its mean over the rows is
 * minimised. Where a row holds no answer, both are its first token. In transformers the tokens that fill up a batch are in the softmax as well,
 * so that a row's loss depends on the longest beside it; here they are not.
 *
 * Columns: those of the tokens; `begins` and `ends` int32 `[rows]`, places in a row; `rowWeights` float32 `[rows]`, 0 for rows that have
 * nothing to learn or only fill up the batch; `places` int32 `[rows, most]`, flat indices of the first token and the passage's.
 */
export const questionAnswering = defineObjective({
  name: 'question-answering',
  apiVersion,
  summary: 'Answers to questions, found in the passages that come with them',
  config: questionAnsweringConfigSchema,
  rows: 'questions',
  unpackable: 'a row asks one question',
  create: (config) => ({
    task: 'question-answering',
    labels: 2,
    passages: { overlap: config.docStride, unanswerable: config.nullThreshold !== undefined },
    collate: collateQuestions,
    losses(model, columns, t) {
      const logits = model.run(t, tokenColumns(columns)).logits(); // [rows, length, 2]
      const [begin, end] = tf.unstack(logits, -1) as [Tensor, Tensor]; // each [rows, length]
      const isToken = tf.greater(columns.segments as Tensor, tf.scalar(0, 'int32'));
      const loss = (scores: Tensor, wanted: Tensor): Tensor =>
        tf.neg(logProbabilities(tf.where(isToken, scores, tf.fill(scores.shape, -never)), wanted));
      const both = tf.add(loss(begin, columns.begins as Tensor), loss(end, columns.ends as Tensor)); // [rows]
      return [{ name: 'loss', sum: tf.div(tf.sum(tf.mul(both, columns.rowWeights as Tensor)), 2), per: 'rows' }];
    },
    predictions: {
      predict(model, columns, t) {
        const places = columns.places as Tensor;
        const logits = model.run(t, tokenColumns(columns)).logits(tf.reshape(places, [-1])); // [rows · most, 2]
        return tf.reshape(logits, [places.shape[0] as number, -1]);
      },
      measure: (rows, predictions) => measureAnswers(rows, predictions, config),
    },
  }),
});

/** Far below every logit, and still a number whose cross-entropy is one. */
const never = 1e9;

function collateQuestions(rows: readonly Row[], options: CollateOptions): Batch {
  const { length, columns } = collateTokens(rows, options);
  const marked = rows.map((row) => [...row.weights.keys()].filter((index) => row.weights[index] !== 0));
  const most = bucketLength(Math.max(1, ...marked.map((places) => places.length)), length);
  const [places, begins, ends] = [options.rows * most, options.rows, options.rows].map(
    (size) => new Int32Array(size),
  ) as [Int32Array, Int32Array, Int32Array];
  const rowWeights = new Float32Array(options.rows);
  for (const [index, row] of rows.entries()) {
    const own = marked[index] as number[];
    for (const [at, place] of own.entries()) places[index * most + at] = index * length + place;
    const answer = answerOf(row, own.length, options);
    if (answer === null) continue;
    [begins[index], ends[index]] = answer.map((place) => own[place] as number) as [number, number];
    rowWeights[index] = 1;
  }
  const int32 = (shape: readonly number[], data: Int32Array): HostTensor => ({ dtype: 'int32', shape, data });
  const own: Named<HostTensor> = {
    begins: int32([options.rows], begins),
    ends: int32([options.rows], ends),
    places: int32([options.rows, most], places),
    rowWeights: { dtype: 'float32', shape: [options.rows], data: rowWeights },
  };
  return {
    columns: { ...columns, ...own },
    rows: rows.length,
    tokens: rows.reduce((sum, { tokens }) => sum + tokens.length, 0),
    normalizers: { rows: rowWeights.reduce((sum, weight) => sum + weight, 0) },
  };
}

/** Which of a row's places an answer begins and ends at; null of a row that is there to be answered. @throws DATA_INVALID */
function answerOf(
  { labels, segments }: Row,
  places: number,
  { predicting }: CollateOptions,
): readonly [number, number] | null {
  if (predicting && labels === undefined) return null;
  const [begin = -1, end = -1] = labels ?? [];
  const isPlace = Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && end >= begin && end < places;
  if (segments === undefined && labels?.length === 2 && isPlace) return [begin, end];
  throw new TunesmithError(
    'DATA_INVALID',
    segments ? 'packed rows ask no questions' : 'a row’s answer does not stand in its passage',
    {
      where: 'question-answering',
      expected: `where it begins and ends, from 0 to ${places - 1}`,
      got: labels === undefined ? 'nothing' : `[${labels.join(', ')}]`,
    },
  );
}
