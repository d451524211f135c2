import { attention } from '../tensor/attention.js';
import { additiveMask, positionMask } from '../tensor/attention-mask.js';
import { type Tensor, tf } from '../tensor/tfjs.js';
import type { AttentionCall } from './site.js';
import type { Trace } from './trace.js';

export interface AttentionSettings {
  readonly scale: number;
  readonly causal: boolean;
  readonly window?: number;
}

/** Attention over the prefix, then what the cache holds, then the new tokens. */
export function runAttention(t: Trace, path: string, call: AttentionCall, settings: AttentionSettings): Tensor {
  const { query, prefix } = call;
  const own = t.cache === undefined ? call : t.cache.extend(path, call.key, call.value);
  const cacheMask = t.cache?.mask?.(settings.window);
  let mask = cacheMask ?? t.mask;
  let attributes = cacheMask === undefined ? settings : { scale: settings.scale, causal: false };
  if (prefix === undefined) {
    return attention({ query, key: own.key, value: own.value, ...(mask && { mask }) }, attributes);
  }
  const length = prefix.key.shape[2] as number;
  if (mask !== undefined) mask = padKeys(mask, length, 0);
  if (settings.window !== undefined) {
    // The prefix has the first positions of every text, wherever in a packed row that begins: a window passes over it.
    const [queries = 1, keys = 1] = [query.shape[2], own.key.shape[2]];
    const amongTokens = cacheMask === undefined ? positionMask(queries, keys, settings) : undefined;
    const masks = [
      mask,
      amongTokens && padKeys(amongTokens, length, 0),
      padKeys(prefixMask(t, length, settings.window), 0, keys),
    ];
    mask = masks.filter((each) => each !== undefined).reduce((sum, each) => tf.add(sum, each));
    attributes = { scale: settings.scale, causal: false };
  }
  const key = tf.concat([prefix.key, own.key], 2);
  const value = tf.concat([prefix.value, own.value], 2);
  return attention({ query, key, value, ...(mask && { mask }) }, attributes);
}

/** An additive mask for more keys, all of them visible. */
function padKeys(mask: Tensor, before: number, after: number): Tensor {
  return tf.pad(mask, [...mask.shape.slice(0, -1).map((): [number, number] => [0, 0]), [before, after]]);
}

/** The additive mask `[batch | 1, 1, seq, length]` of a prefix: a query at position p sees what is at j > p − window. */
function prefixMask({ positions }: Trace, length: number, window: number): Tensor {
  const [rows = 1, queries = 1] = (positions as Tensor).shape;
  const first = tf.sub(tf.reshape(positions as Tensor, [rows, 1, queries, 1]), tf.scalar(window, 'int32'));
  return additiveMask(tf.greater(tf.reshape(tf.range(0, length, 1, 'int32'), [1, 1, 1, length]), first));
}
