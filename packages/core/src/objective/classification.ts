import { TunesmithError } from '../errors/tunesmith-error.js';
import { accuracy, f1, largestAt, macroF1, matthews, microF1 } from '../metrics/class-metrics.js';
import { pearson, spearman } from '../metrics/rank-metrics.js';
import type { Model, ModelRun } from '../model/model.js';
import type { Trace } from '../model/trace.js';
import type { HostTensor } from '../program/backend.js';
import { logProbabilities } from '../tensor/linear-cross-entropy.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import type { LossTerm, Objective } from './objective.js';
import type { ProblemType } from './problem-type.js';
import type { Row } from './row.js';
import { collateTokens, tokenColumns } from './token-columns.js';

export interface ClassificationOptions {
  /** Logits of a sequence: classes, labels that may hold together, or targets. */
  readonly labels: number;
  /** `single-label` if not said. */
  readonly problemType?: ProblemType;
}

/** Labels of a row `[1, width]` by its scores `[1, labels]`, and what they weigh. */
interface OwnLabelsOf {
  count(labels: number): number;
  of(scores: Tensor, t: Trace, which: Tensor): { wanted: Tensor; weight: Tensor };
}

/** How one kind of labels is lost and measured. */
interface Problem {
  /** Numbers of `Row.labels`. */
  width(labels: number): number;
  /** A row's loss: scores `[rows, labels]` and what they should be `[rows, width]` → `[rows]`. */
  loss(scores: Tensor, wanted: Tensor): Tensor;
  measure(wanted: readonly Float32Array[], scores: readonly Float32Array[]): Named<number>;
  /** Absent where the loss is no likelihood of labels. */
  readonly ownLabels?: OwnLabelsOf;
}

/**
 * Classification of whole sequences, as transformers computes it for each `problem_type`:
 * single-label −log softmax(s)ᵧ, multi-label the mean over labels of −y·log σ(s) − (1−y)·log σ(−s), regression the mean
 * over targets of (s − y)²; each averaged over the rows.
 *
 * Columns: `ids`, `positions`, `segments` int32 `[rows, length]`, and `tokenTypes` where texts come in pairs; `last` int32
 * `[rows]`, the flat index of each row's last token; `labels` float32 `[rows, width]`; `rowWeights` float32 `[rows]`, 0
 * for rows that only fill up the batch.
 */
export function classification({ labels, problemType = 'single-label' }: ClassificationOptions): Objective {
  const problem = problems[problemType];
  const width = problem.width(labels);
  const scoresOf = (model: Model, columns: Named<Tensor>, t: Trace): Tensor =>
    model.run(t, tokenColumns(columns)).scores(columns.last as Tensor);
  return {
    name: 'classification',
    task: 'sequence-classification',
    labels,
    problemType,

    collate(rows, options) {
      const { length, columns } = collateTokens(rows, options);
      const float32 = (shape: readonly number[]): HostTensor & { data: Float32Array } => ({
        dtype: 'float32',
        shape,
        data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
      });
      const [wanted, rowWeights] = [float32([options.rows, width]), float32([options.rows])];
      const last = Int32Array.from({ length: options.rows }, (_, row) => row * length);
      for (const [index, row] of rows.entries()) {
        last[index] = index * length + row.tokens.length - 1;
        if (options.predicting && row.labels === undefined) continue;
        wanted.data.set(checkedLabels(row, problemType, labels, width), index * width);
        rowWeights.data[index] = 1;
      }
      return {
        columns: {
          ...columns,
          last: { dtype: 'int32', shape: [options.rows], data: last },
          labels: wanted,
          rowWeights,
        },
        rows: rows.length,
        tokens: rows.reduce((sum, { tokens }) => sum + tokens.length, 0),
        normalizers: { rows: rows.length },
      };
    },

    losses: (model, columns, t) => [classificationLoss(model.run(t, tokenColumns(columns)), columns, problemType)],

    ...(problem.ownLabels === undefined
      ? {}
      : {
          ownLabels: {
            count: problem.ownLabels.count(labels),
            relabel(model, columns, t, which) {
              const { wanted, weight } = (problem.ownLabels as OwnLabelsOf).of(scoresOf(model, columns, t), t, which);
              return { columns: { labels: wanted }, weight };
            },
          },
        }),

    predictions: {
      predict: scoresOf,
      measure: (rows, scores) =>
        problem.measure(
          rows.map((row) => row.labels as Float32Array),
          scores,
        ),
    },
  };
}

/** The loss of a forward pass over the columns of a classification. */
export function classificationLoss(
  run: Pick<ModelRun, 'scores'>,
  { last, labels, rowWeights }: Named<Tensor>,
  problemType: ProblemType,
): LossTerm {
  const each = problems[problemType].loss(run.scores(last as Tensor), labels as Tensor); // [rows]
  return { name: 'loss', sum: tf.sum(tf.mul(each, rowWeights as Tensor)), per: 'rows' };
}

const problems: Readonly<Record<ProblemType, Problem>> = {
  'single-label': {
    width: () => 1,
    loss: (scores, wanted) => tf.neg(logProbabilities(scores, tf.reshape(tf.cast(wanted, 'int32'), [-1]))),
    measure(wanted, scores) {
      const actual = wanted.map(([label]) => label as number);
      const predicted = scores.map(largestAt);
      const isBinary = scores[0]?.length === 2;
      return {
        accuracy: accuracy(predicted, actual),
        f1: isBinary ? f1(predicted, actual) : macroF1(predicted, actual),
        matthews: matthews(predicted, actual),
      };
    },
    ownLabels: {
      count: (labels) => labels,
      of: (scores, _, which) => ({
        wanted: tf.reshape(tf.cast(which, 'float32'), [1, 1]),
        weight: tf.reshape(tf.gather(tf.reshape(tf.softmax(scores), [-1]), tf.reshape(which, [1]) as never), []),
      }),
    },
  },
  'multi-label': {
    width: (labels) => labels,
    // −y·log σ(s) − (1−y)·log σ(−s) = max(s, 0) − s·y + log(1 + e^−|s|), which overflows nowhere.
    loss: (scores, wanted) =>
      tf.mean(
        tf.add(tf.sub(tf.relu(scores), tf.mul(scores, wanted)), tf.log(tf.add(1, tf.exp(tf.neg(tf.abs(scores)))))),
        -1,
      ),
    measure(wanted, scores) {
      const predicted = scores.map((row) => row.map((score) => (score > 0 ? 1 : 0)));
      return {
        // A row counts as right where all of its labels are, as in scikit-learn.
        accuracy: accuracy(
          predicted.map((row, index) => (row.every((each, at) => each === wanted[index]?.[at]) ? 1 : 0)),
          predicted.map(() => 1),
        ),
        f1: microF1(predicted, wanted),
      };
    },
    ownLabels: {
      count: () => 1,
      of: (scores, t) => ({
        wanted: tf.cast(tf.less(t.uniform('own labels', scores.shape, 'row'), tf.sigmoid(scores)), 'float32'),
        weight: tf.scalar(1),
      }),
    },
  },
  regression: {
    width: (labels) => labels,
    loss: (scores, wanted) => tf.mean(tf.square(tf.sub(scores, wanted)), -1),
    measure(wanted, scores) {
      const flat = (rows: readonly Float32Array[]): number[] => rows.flatMap((row) => Array.from(row));
      const [actual, predicted] = [flat(wanted), flat(scores)];
      const squares = predicted.reduce((sum, value, index) => sum + (value - (actual[index] as number)) ** 2, 0);
      return {
        spearman: spearman(predicted, actual),
        pearson: pearson(predicted, actual),
        meanSquaredError: squares / actual.length,
      };
    },
  },
};

function checkedLabels(row: Row, problem: ProblemType, labels: number, width: number): Float32Array {
  const given = row.labels;
  const isClass = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < labels;
  const fits =
    given?.length === width &&
    (problem !== 'single-label' || isClass(given[0] as number)) &&
    given.every((value) => Number.isFinite(value)) &&
    row.segments === undefined;
  if (fits) return given;
  const packed = row.segments !== undefined;
  throw new TunesmithError('DATA_INVALID', packed ? 'packed rows cannot be classified' : 'a row has no fitting label', {
    where: `classification (${problem})`,
    expected: problem === 'single-label' ? `a class from 0 to ${labels - 1}` : `${width} numbers`,
    got: given === undefined ? 'nothing' : `[${given.join(', ')}]`,
  });
}
