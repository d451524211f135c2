import { TunesmithError } from '../errors/tunesmith-error.js';
import { attention } from '../tensor/attention.js';
import { additiveMask, positionMask } from '../tensor/attention-mask.js';
import { distanceBias } from '../tensor/distance-bias.js';
import { type Tensor, tf } from '../tensor/tfjs.js';
import type { AttentionCall, Stream } from './site.js';
import type { Trace } from './trace.js';

export interface AttentionSettings {
  readonly scale: number;
  readonly causal: boolean;
  readonly window?: number;
  readonly over: Stream;
}

/** Attention over the prefix, then what the cache holds, then the new tokens. The source has no past, and no mask of its own. */
export function runAttention(t: Trace, path: string, call: AttentionCall, settings: AttentionSettings): Tensor {
  const { query, prefix } = call;
  const { scale, causal, window, over } = settings;
  const isOfTokens = over === 'tokens';
  if (t.branched) checkBranches(path, call, settings);
  const own = t.cache === undefined || !isOfTokens ? call : t.cache.extend(path, call.key, call.value);
  const cacheMask = isOfTokens ? t.cache?.mask?.(window) : undefined;
  let mask = sum([cacheMask ?? (isOfTokens ? t.mask : undefined), call.bias]);
  const bounds = { scale, causal, ...(window === undefined ? {} : { window }) };
  let attributes = cacheMask === undefined ? bounds : { scale, causal: false };
  if (prefix === undefined) {
    return attention({ query, key: own.key, value: own.value, ...(mask && { mask }) }, attributes);
  }
  const length = prefix.key.shape[2] as number;
  const [queries = 1, keys = 1] = [query.shape[2], own.key.shape[2]];
  if (mask !== undefined) mask = padKeys(mask, length, 0);
  if (call.byDistance !== undefined) {
    mask = sum([mask, padKeys(distanceBias(call.byDistance, prefixDistances(t, length)), 0, keys)]);
  }
  if (window !== undefined) {
    // The prefix has the first positions of every text, wherever in a packed row that begins: a window passes over it.
    const amongTokens = cacheMask === undefined ? positionMask(queries, keys, { causal, window }) : undefined;
    mask = sum([mask, amongTokens && padKeys(amongTokens, length, 0), padKeys(prefixMask(t, length, window), 0, keys)]);
    attributes = { scale, causal: false };
  }
  const key = tf.concat([prefix.key, own.key], 2);
  const value = tf.concat([prefix.value, own.value], 2);
  return attention({ query, key, value, ...(mask && { mask }) }, attributes);
}

/** Branches of a row do not see each other, and are at other distances in it than in their texts. */
function checkBranches(path: string, { key, bias, byDistance }: AttentionCall, settings: AttentionSettings): void {
  const { causal, window } = settings;
  const isNear = window !== undefined && window < (key.shape[2] as number);
  if (causal && !isNear && bias === undefined && byDistance === undefined) return;
  throw new TunesmithError('CAPABILITY_MISSING', 'this attention cannot share a prompt between two answers', {
    where: path,
    expected: 'causal attention to all that is before, by positions alone',
    got: causal
      ? isNear
        ? `a window of ${window} keys`
        : 'scores that depend on distances in the row'
      : 'no causality',
    hint: 'Leave out sharedPrompt: each answer is computed with a prompt of its own then.',
  });
}

function sum(masks: readonly (Tensor | undefined)[]): Tensor | undefined {
  const present = masks.filter((each) => each !== undefined);
  return present.length === 0 ? undefined : present.reduce((total, each) => tf.add(total, each));
}

/** An additive mask for more keys, all of them visible. */
function padKeys(mask: Tensor, before: number, after: number): Tensor {
  return tf.pad(mask, [...mask.shape.slice(0, -1).map((): [number, number] => [0, 0]), [before, after]]);
}

/** How far the keys of a prefix lie from each query, int32 `[batch | 1, seq, length]`. */
function prefixDistances({ positions }: Trace, length: number): Tensor {
  return tf.sub(tf.reshape(tf.range(0, length, 1, 'int32'), [1, 1, length]), tf.expandDims(positions as Tensor, 2));
}

/** The additive mask `[batch | 1, 1, seq, length]` of a prefix: a query at position p sees what is at j > p − window. */
function prefixMask(t: Trace, length: number, window: number): Tensor {
  const within = tf.greater(prefixDistances(t, length), tf.scalar(-window, 'int32'));
  return tf.expandDims(additiveMask(within), 1);
}
