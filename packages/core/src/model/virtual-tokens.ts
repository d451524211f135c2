import { type Tensor, tf } from '../tensor/tfjs.js';
import type { SiteFunction } from './builder.js';
import type { ModelRegistry } from './registry.js';

/**
 * Embeds token ids of which those from `vocabulary` on are virtual: the rows that methods reserved, one after another.
 * Wraps of the embedding see real tokens only.
 */
export function withVirtualTokens(
  registry: ModelRegistry,
  vocabulary: number,
  embed: SiteFunction<'embedding'>,
): SiteFunction<'embedding'> {
  return (t, ids) => {
    if (registry.virtual.length === 0) return embed(t, ids);
    const first = tf.scalar(vocabulary, 'int32');
    const isVirtual = tf.greaterEqual(ids, first); // [batch, seq]
    const real = embed(t, tf.where(isVirtual, tf.zerosLike(ids), ids)); // [batch, seq, hidden]
    const rows = tf.concat(registry.virtual.map(({ embedding }) => t.value(embedding))); // [virtual, hidden]
    const index = tf.where(isVirtual, tf.sub(ids, first), tf.zerosLike(ids));
    const own: Tensor = tf.gather(rows, index as never); // [batch, seq, hidden]
    return tf.where(tf.expandDims(isVirtual, -1), own, real);
  };
}
