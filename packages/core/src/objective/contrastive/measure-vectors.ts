import { pearson, spearman } from '../../metrics/rank-metrics.js';
import { cosineSimilarity, retrievalScores, unitVector } from '../../metrics/retrieval-metrics.js';
import type { Named } from '../../tensor/tfjs.js';
import type { Row } from '../row.js';
import type { ContrastiveConfig } from './contrastive-config.js';

/**
 * What vectors are worth over a split, each prediction being those of a row's first two texts, one behind the other. Of
 * positives, how often an anchor finds one of its own among all of them (accuracy@1, MRR@10; sentence-transformers'
 * InformationRetrievalEvaluator); of scored pairs, the correlations of cosines with scores (EmbeddingSimilarityEvaluator).
 */
export function measureVectors(
  rows: readonly Row[],
  predictions: readonly Float32Array[],
  { loss, similarity }: Pick<ContrastiveConfig, 'loss' | 'similarity'>,
): Named<number> {
  const pairs = predictions.map((both): [Float32Array, Float32Array] => {
    const half = both.length / 2;
    return [both.subarray(0, half), both.subarray(half)];
  });
  if (loss !== 'multiple-negatives') {
    const cosines = pairs.map(([one, other]) => cosineSimilarity(one, other));
    const scores = rows.map(({ labels }) => labels?.[0] as number);
    return { spearman: spearman(cosines, scores), pearson: pearson(cosines, scores) };
  }
  const form = (vector: Float32Array): Float32Array => (similarity === 'dot' ? vector : unitVector(vector));
  const [anchors, positives] = [distinct(rows.map(({ tokens }) => tokens)), distinct(rows.map(positiveOf))];
  const own = new Set(rows.map((_, row) => `${anchors.of[row]} ${positives.of[row]}`));
  const { accuracy, reciprocalRank } = retrievalScores(
    anchors.first.map((row) => form((pairs[row] as [Float32Array, Float32Array])[0])),
    positives.first.map((row) => form((pairs[row] as [Float32Array, Float32Array])[1])),
    (anchor, positive) => own.has(`${anchor} ${positive}`),
  );
  return { 'accuracy@1': accuracy, 'mrr@10': reciprocalRank };
}

function positiveOf({ compared }: Row): Int32Array {
  return compared?.[0]?.tokens as Int32Array;
}

/** Texts that differ: the row in which each stands first, and which of them each row has. */
function distinct(texts: readonly Int32Array[]): { readonly first: readonly number[]; readonly of: readonly number[] } {
  const seen = new Map<string, number>();
  const first: number[] = [];
  const of = texts.map((tokens, row) => {
    const key = tokens.join();
    const found = seen.get(key);
    if (found !== undefined) return found;
    seen.set(key, first.length);
    return first.push(row) - 1;
  });
  return { first, of };
}
