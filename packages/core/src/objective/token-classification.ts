import { TunesmithError } from '../errors/tunesmith-error.js';
import { accuracy, largestAt } from '../metrics/class-metrics.js';
import { haveSpans, spanScores } from '../metrics/span-metrics.js';
import type { HostTensor } from '../program/backend.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { bucketLength } from './buckets.js';
import type { CollateOptions, Objective } from './objective.js';
import type { Row } from './row.js';
import { collateTokens, tokenColumns } from './token-columns.js';

export interface TokenClassificationOptions {
  /** The tags by name, in the order of a token's logits. Where they are `B-PER` and the like, spans are measured. */
  readonly labels: readonly string[];
}

/**
 * Classification of tokens, as transformers computes it: −log softmax(s)ᵧ, a mean over the tokens that have a tag. A word's tag is that of
 * its first token; the others have none (label −100 there).
 *
 * Columns: `ids`, `positions`, `segments` int32 `[rows, length]`; for the tagged tokens of each row, `tagPositions` (flat indices) and
 * `tags` int32 `[rows, most]`, `tagWeights` float32 `[rows, most]`, 0 where a row has fewer.
 */
export function tokenClassification({ labels }: TokenClassificationOptions): Objective {
  const flat = (columns: Named<Tensor>, name: string): Tensor => tf.reshape(columns[name] as Tensor, [-1]);
  return {
    name: 'token-classification',
    task: 'token-classification',
    labels: labels.length,

    collate(rows, options) {
      const { length, columns } = collateTokens(rows, options);
      const tagged = rows.map((row) => placesOf(row, labels.length, options));
      const most = bucketLength(Math.max(1, ...tagged.map((places) => places.length)), length);
      const shape = [options.rows, most];
      const [positions, tags] = [new Int32Array(options.rows * most), new Int32Array(options.rows * most)];
      const weights = new Float32Array(options.rows * most);
      for (const [row, places] of tagged.entries()) {
        for (const [index, place] of places.entries()) {
          positions[row * most + index] = row * length + place;
          tags[row * most + index] = rows[row]?.labels?.[index] ?? 0;
          weights[row * most + index] = 1;
        }
      }
      const int32 = (data: Int32Array): HostTensor => ({ dtype: 'int32', shape, data });
      return {
        columns: {
          ...columns,
          tagPositions: int32(positions),
          tags: int32(tags),
          tagWeights: { dtype: 'float32', shape, data: weights },
        },
        rows: rows.length,
        tokens: rows.reduce((sum, { tokens }) => sum + tokens.length, 0),
        normalizers: { tags: tagged.reduce((sum, places) => sum + places.length, 0) },
      };
    },

    losses(model, columns, t) {
      const run = model.run(t, tokenColumns(columns));
      const sum = run.sumLogProbs(flat(columns, 'tagPositions'), flat(columns, 'tags'), flat(columns, 'tagWeights'));
      return [{ name: 'loss', sum: tf.neg(sum), per: 'tags' }];
    },

    predictions: {
      predict(model, columns, t) {
        const logits = model.run(t, tokenColumns(columns)).logits(flat(columns, 'tagPositions')); // [rows · most, labels]
        return tf.reshape(logits, [(columns.tags as Tensor).shape[0] as number, -1]);
      },
      measure(rows, predictions) {
        const actual = rows.map((row) => Array.from(row.labels as Float32Array));
        const predicted = actual.map((tags, row) =>
          tags.map((_, index) => largestAt(tagScores(predictions[row] as Float32Array, index, labels.length))),
        );
        const named = (sentences: readonly number[][]): string[][] =>
          sentences.map((tags) => tags.map((tag) => labels[tag] as string));
        return {
          accuracy: accuracy(predicted.flat(), actual.flat()),
          ...(haveSpans(labels) ? spanScores(named(predicted), named(actual)) : {}),
        };
      },
    },
  };
}

/** The logits of a row's tagged token, of what is predicted for the row. */
export function tagScores(predicted: Float32Array, index: number, labels: number): Float32Array {
  return predicted.subarray(index * labels, (index + 1) * labels);
}

/** Where a row's tagged tokens stand. @throws DATA_INVALID for a row whose tags do not fit */
function placesOf({ weights, labels, segments }: Row, count: number, { predicting }: CollateOptions): number[] {
  const places = [...weights.keys()].filter((index) => weights[index] !== 0);
  if (predicting && labels === undefined) return places;
  const isTag = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < count;
  const tags = labels ?? new Float32Array();
  if (segments === undefined && tags.length === places.length && tags.every(isTag)) return places;
  throw new TunesmithError(
    'DATA_INVALID',
    segments ? 'packed rows have no tags' : 'a row’s tags do not fit its tokens',
    {
      where: 'token-classification',
      expected: `${places.length} tags from 0 to ${count - 1}`,
      got: `[${tags.join(', ')}]`,
    },
  );
}
