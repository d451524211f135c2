import {
  type Middleware,
  normal,
  type PatchableSite,
  type Tensor,
  type Trace,
  TunesmithError,
  tf,
  zeros,
} from '@tunesmith/core';
import type { LoraConfig } from './config.js';
import { directionNorm, magnitudeName, magnitudeStart } from './dora.js';
import type { LowRankShape } from './low-rank.js';

/**
 * LoRA on an embedding: y = W[id] + scale · B·A[:, id], with A [rank, rows] zero and B [features, rank] from N(0, 1), and no
 * dropout, as peft/tuners/lora/layer.py (Embedding).
 */
export function adaptEmbedding(
  site: PatchableSite<'embedding'>,
  config: LoraConfig,
  { rank, scale }: LowRankShape,
): Middleware<'embedding'> {
  if (config.useLoraFa) {
    throw new TunesmithError('CONFIG_INVALID', "an embedding's A starts at zero, and LoRA-FA would leave it there", {
      where: site.path,
    });
  }
  const { rows, features, weightHandle } = site;
  const a = site.parameter('lora_embedding_A', { shape: [rank, rows], init: zeros, tags: ['lora_embedding'] });
  const b = site.parameter('lora_embedding_B', {
    shape: [features, rank],
    init: normal(1),
    tags: ['lora_embedding'],
  });
  const update = (t: Trace, ids: Tensor): Tensor => {
    const low = tf.gather(tf.transpose(t.value(a)), ids as never); // [batch, seq, rank]
    const flat = tf.reshape(low, [-1, rank]);
    const high = tf.matMul(flat, t.value(b), false, true); // [batch · seq, features]
    return tf.mul(tf.reshape(high, [...ids.shape, features]), scale);
  };
  if (!config.useDora) return (ids, next, t) => tf.add(next(ids), update(t, ids));

  const magnitude = site.parameter(magnitudeName, {
    shape: [features],
    init: magnitudeStart(weightHandle, 1),
    decay: true,
  });
  return (ids, next, t) => {
    const [weight, left, right] = [t.value(weightHandle), t.constant(a), t.constant(b)];
    const norm = directionNorm(tf.sum(tf.square(weight), 0), tf.matMul(left, weight), left, right, scale); // [features]
    return tf.mul(tf.add(next(ids), update(t, ids)), tf.div(t.value(magnitude), norm));
  };
}
