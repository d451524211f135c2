import { logProbabilities } from '../../tensor/linear-cross-entropy.js';
import { type Named, type Tensor, tf } from '../../tensor/tfjs.js';
import type { LossTerm } from '../objective.js';
import type { ContrastiveConfig } from './contrastive-config.js';
import { normalized } from './embed-texts.js';

type Options = Pick<ContrastiveConfig, 'loss' | 'similarity' | 'scale' | 'symmetric'>;

/** What is added to the logit of a text that an anchor is not compared with. */
const never = 1e9;

/** The loss of a batch's vectors, `[rows·texts, hidden]`, each row's one after another. */
export function contrastiveLoss(vectors: Tensor, columns: Named<Tensor>, options: Options): LossTerm {
  const { loss, similarity } = options;
  const rows = columns.rowWeights?.shape[0] as number;
  const grouped = tf.reshape(vectors, [rows, -1, vectors.shape[1] as number]); // [rows, texts, hidden]
  const compared = similarity === 'dot' && loss !== 'cosine' ? grouped : normalized(grouped);
  const scale = options.scale ?? (similarity === 'dot' ? 1 : 20);
  if (loss === 'multiple-negatives') return multipleNegatives(compared, columns, scale, options.symmetric);
  return loss === 'cosent' ? cosent(alike(compared), columns, scale) : squaredError(alike(compared), columns);
}

/**
 * Σ −log( e^{s·a·p} / Σ_c e^{s·a·c} ), the sum in the denominator being over the anchor's own positive and all of the batch's texts that it is
 * compared with (van den Oord et al. 2018, eq. 4; sentence_transformers/losses/MultipleNegativesRankingLoss.py). Symmetric: half
 * of it and half of the same of positives among the anchors (MultipleNegativesSymmetricRankingLoss.py).
 */
function multipleNegatives(grouped: Tensor, columns: Named<Tensor>, scale: number, symmetric: boolean): LossTerm {
  const [rows, texts, hidden] = grouped.shape as [number, number, number];
  const others = texts - 1;
  const { candidates, rowWeights } = columns as { candidates: Tensor; rowWeights: Tensor };
  const anchors = tf.reshape(tf.slice(grouped, [0, 0, 0], [rows, 1, hidden]), [rows, hidden]);
  const rest = tf.reshape(tf.slice(grouped, [0, 1, 0], [rows, others, hidden]), [-1, hidden]); // [rows · others, hidden]
  const scores = tf.add(tf.mul(tf.matMul(anchors, rest, false, true), scale), tf.mul(tf.sub(candidates, 1), never)); // [rows, rows · others]
  const forward = tf.neg(logProbabilities(scores, tf.range(0, rows * others, others, 'int32'))); // [rows]
  const each = symmetric ? tf.mul(tf.add(forward, backward(scores, rows, others)), 0.5) : forward;
  return { name: 'loss', sum: tf.sum(tf.mul(each, rowWeights)), per: 'rows' };
}

/** The same of each positive among the anchors: whether two rows may be compared does not depend on which is the first. */
function backward(scores: Tensor, rows: number, others: number): Tensor {
  const ofPositives = tf.reshape(tf.slice(tf.reshape(scores, [rows, rows, others]), [0, 0, 0], [rows, rows, 1]), [
    rows,
    rows,
  ]);
  return tf.neg(logProbabilities(tf.transpose(ofPositives), tf.range(0, rows, 1, 'int32')));
}

/**
 * log(1 + Σ e^{s·(cᵢ − cⱼ)}), the sum being over all two pairs of the batch of which j is scored higher than i (Su 2022,
 * kexue.fm/archives/8847; sentence_transformers/losses/CoSENTLoss.py). It is one number of a batch.
 */
function cosent(alikeness: Tensor, columns: Named<Tensor>, scale: number): LossTerm {
  const { scores, rowWeights } = columns as { scores: Tensor; rowWeights: Tensor };
  const rows = scores.shape[0] as number;
  const minus = (x: Tensor): Tensor => tf.sub(tf.expandDims(x, 1), tf.expandDims(x, 0)); // [rows, rows]
  const isLower = tf.cast(tf.less(minus(scores), 0), 'float32');
  const counts = tf.mul(isLower, tf.mul(tf.expandDims(rowWeights, 1), tf.expandDims(rowWeights, 0)));
  const gaps = tf.add(tf.mul(minus(alikeness), scale), tf.mul(tf.sub(counts, 1), never));
  const all = tf.concat([tf.zeros([1]), tf.reshape(gaps, [rows * rows])]);
  return { name: 'loss', sum: tf.logSumExp(all), per: 'batches' };
}

/** Σ (cos − score)² (sentence_transformers/losses/CosineSimilarityLoss.py). */
function squaredError(alikeness: Tensor, { scores, rowWeights }: Named<Tensor>): LossTerm {
  const each = tf.square(tf.sub(alikeness, scores as Tensor)); // [rows]
  return { name: 'loss', sum: tf.sum(tf.mul(each, rowWeights as Tensor)), per: 'rows' };
}

/** The products of each row's two vectors: `[rows, 2, hidden]` → `[rows]`. */
function alike(grouped: Tensor): Tensor {
  const [rows, , hidden] = grouped.shape as [number, number, number];
  const side = (text: number): Tensor => tf.reshape(tf.slice(grouped, [0, text, 0], [rows, 1, hidden]), [rows, hidden]);
  return tf.sum(tf.mul(side(0), side(1)), -1);
}
