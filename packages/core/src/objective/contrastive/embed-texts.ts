import type { Family } from '../../model/family.js';
import type { Model } from '../../model/model.js';
import type { Trace } from '../../model/trace.js';
import { type Named, type Tensor, tf } from '../../tensor/tfjs.js';
import { tokenColumns } from '../token-columns.js';
import type { ContrastiveConfig, Pooling } from './contrastive-config.js';

/** What a family's texts are pooled by if nothing says it: a decoder's last state is the only one that has seen all of its text. */
export function defaultPooling({ tasks = ['causal-lm'] }: Pick<Family, 'tasks'>): Pooling {
  return tasks.includes('causal-lm') ? 'lasttoken' : 'mean';
}

/**
 * One vector for each text, `[texts, hidden]`: of its own tokens' states hᵢ their mean Σ hᵢ / count, the first or the last
 * (sentence_transformers, Pooling); divided by its norm where it is asked for (Normalize). A model's virtual tokens are no part of a text.
 */
export function embedTexts(
  model: Model,
  columns: Named<Tensor>,
  t: Trace,
  { pooling = defaultPooling(model.family), normalize = false }: Pick<ContrastiveConfig, 'pooling' | 'normalize'>,
): Tensor {
  const { hidden } = model.run(t, tokenColumns(columns)); // [texts, length, hidden]
  const pooled = pool(hidden, columns, pooling);
  return normalize ? normalized(pooled) : pooled;
}

function pool(hidden: Tensor, { inText, firsts, lasts }: Named<Tensor>, pooling: Pooling): Tensor {
  if (pooling === 'mean') {
    const counted = tf.expandDims(inText as Tensor, -1); // [texts, length, 1]
    return tf.div(tf.sum(tf.mul(hidden, counted), 1), tf.maximum(tf.sum(counted, 1), 1)); // [texts, hidden]
  }
  const flat = tf.reshape(hidden, [-1, hidden.shape[2] as number]); // [texts · length, hidden]
  return tf.gather(flat, (pooling === 'cls' ? firsts : lasts) as never); // [texts, hidden]
}

/**
 * x / max(‖x‖, 10⁻¹²) of each row, as torch.nn.functional.normalize. The least is taken of the square, whose gradient at a row of
 * zeros, one that only fills up a batch, is then 0.
 */
export function normalized(x: Tensor): Tensor {
  return tf.div(x, tf.sqrt(tf.maximum(tf.sum(tf.square(x), -1, true), 1e-24)));
}
