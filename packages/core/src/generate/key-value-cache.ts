import { TunesmithError } from '../errors/tunesmith-error.js';
import type { AttentionSite } from '../model/site.js';
import type { AttentionCache } from '../model/trace.js';
import type { HostTensor } from '../program/backend.js';
import type { TensorSpec } from '../program/program.js';
import { additiveMask } from '../tensor/attention-mask.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';

/** Names of an attention site's keys and values among a program's inputs or outputs. */
const keyName = (site: string): string => `key.${site}`;
const valueName = (site: string): string => `value.${site}`;

/** Places for keys and values: of the tokens that come, and of what an encoder has read of a source, if one does. */
export interface CacheSlots {
  readonly tokens: number;
  readonly source: number;
}

/**
 * Keys and values of every row on the host, `[rows, keyHeads, slots, headDim]` per attention site: a token at position
 * p lies in slot p, whatever the lengths of other rows. Programs read them as inputs and give back those of new tokens.
 * Those of a source are taken over as they are.
 */
export interface KeyValueCache {
  readonly slots: CacheSlots;
  /** Feeds the cache to a program; the arrays are the cache's own. */
  readonly inputs: Named<HostTensor>;
  /** Takes the first `lengths[row]` of the new tokens of each row, from what a program gave back, to slots from `starts[row]`. */
  write(outputs: Named<HostTensor>, starts: readonly number[], lengths: readonly number[]): void;
  /** Takes the source's keys and values from what a program gave back. */
  writeSource(outputs: Named<HostTensor>): void;
}

export function cacheSpecs(sites: readonly AttentionSite[], rows: number, slots: CacheSlots): Named<TensorSpec> {
  return Object.fromEntries(
    sites.flatMap(({ path, keyHeads, headDim, over }) => {
      const spec: TensorSpec = { shape: [rows, keyHeads, slots[over], headDim], dtype: 'float32' };
      return [
        [keyName(path), spec],
        [valueName(path), spec],
      ];
    }),
  );
}

export function createKeyValueCache(sites: readonly AttentionSite[], rows: number, slots: CacheSlots): KeyValueCache {
  const specsOf = (stream: AttentionSite['over']): [string, TensorSpec][] =>
    Object.entries(
      cacheSpecs(
        sites.filter(({ over }) => over === stream),
        rows,
        slots,
      ),
    );
  const entries = specsOf('tokens').map(([name, { shape }]) => {
    const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
    return [name, { dtype: 'float32', shape, data }] as const;
  });
  const inputs: Named<HostTensor> = Object.fromEntries(entries);
  return {
    slots,
    inputs,
    writeSource(outputs) {
      for (const [name] of specsOf('source')) inputs[name] = outputs[name] as HostTensor;
    },
    write(outputs, starts, lengths) {
      for (const [name, { shape, data }] of entries) {
        const [, heads = 0, , headDim = 0] = shape;
        const { data: fresh, shape: freshShape } = outputs[name] as HostTensor;
        const given = freshShape[2] as number;
        for (let row = 0; row < rows; row++) {
          for (let head = 0; head < heads; head++) {
            const from = (row * heads + head) * given * headDim;
            const to = ((row * heads + head) * slots.tokens + (starts[row] as number)) * headDim;
            data.set((fresh as Float32Array).subarray(from, from + (lengths[row] as number) * headDim), to);
          }
        }
      }
    },
  };
}

/** What a program's attention sites hand to the host. */
export interface RecordingCache extends AttentionCache {
  /** The new tokens' keys and values, by the cache's names. */
  readonly fresh: Named<Tensor>;
}

/**
 * Keeps what the cache takes over from an attention site. Where rows have adapters of their own, attention may run more
 * than once, but over the same keys and values: the cache has one place for each.
 */
function record(fresh: Named<Tensor>, site: string, key: Tensor, value: Tensor): void {
  const known = [fresh[keyName(site)] ?? key, fresh[valueName(site)] ?? value];
  if (known[0] !== key || known[1] !== value) {
    throw new TunesmithError('CAPABILITY_MISSING', 'these adapters cannot be mixed row by row', {
      where: site,
      expected: 'adapters that leave the inputs of attention, branches and blocks as they are',
      hint: 'Generate for each adapter on its own.',
    });
  }
  fresh[keyName(site)] = key;
  fresh[valueName(site)] = value;
}

/** For prompts: there is nothing before them, and their keys and values are handed out. */
export function promptCache(): RecordingCache {
  const fresh: Named<Tensor> = {};
  return {
    fresh,
    extend(site, key, value) {
      record(fresh, site, key, value);
      return { key, value };
    },
    source(site, make) {
      const { key, value } = make();
      record(fresh, site, key, value);
      return { key, value };
    },
  };
}

/**
 * For one new token a row, at `positions` int32 `[rows, 1]`: slots below its position hold what came before; those above
 * hold nothing yet, or what other tokens left there.
 */
export function decodingCache(read: (name: string) => Tensor, positions: Tensor, slots: number): RecordingCache {
  const fresh: Named<Tensor> = {};
  const masks = new Map<number | undefined, Tensor>();
  const rows = positions.shape[0] as number;
  const maskOf = (window: number | undefined): Tensor => {
    const own = tf.reshape(positions, [rows, 1, 1, 1]);
    const slot = tf.reshape(tf.range(0, slots, 1, 'int32'), [1, 1, 1, slots]);
    const before = tf.less(slot, own);
    const visible =
      window === undefined ? before : tf.logicalAnd(before, tf.greater(slot, tf.sub(own, tf.scalar(window, 'int32'))));
    return tf.concat([additiveMask(visible), tf.zeros([rows, 1, 1, 1])], 3); // [rows, 1, 1, slots + 1]
  };
  return {
    fresh,
    extend(site, key, value) {
      record(fresh, site, key, value);
      return {
        key: tf.concat([read(keyName(site)), key], 2),
        value: tf.concat([read(valueName(site)), value], 2),
      };
    },
    mask(window) {
      const mask = masks.get(window) ?? maskOf(window);
      masks.set(window, mask);
      return mask;
    },
    distances() {
      const own = tf.reshape(positions, [rows, 1, 1]);
      const before = tf.sub(tf.reshape(tf.range(0, slots, 1, 'int32'), [1, 1, slots]), own);
      return tf.concat([before, tf.zeros([rows, 1, 1], 'int32')], 2); // [rows, 1, slots + 1]
    },
    source: (site) => ({ key: read(keyName(site)), value: read(valueName(site)) }),
  };
}
