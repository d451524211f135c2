import { type Tensor, tf } from '../tensor/tfjs.js';
import { type ActiveAdapters, type AdapterStack, actingIn } from './adapters.js';
import type { SiteFunction } from './builder.js';
import type { ModelRegistry, VirtualTokens } from './registry.js';

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
    const acting = t.bare ? [] : actingBlocks(registry, t.adapters);
    if (acting.length === 0) return embed(t, ids);
    const isVirtual = tf.greaterEqual(ids, tf.scalar(vocabulary, 'int32')); // [batch, seq]
    const real = embed(t, tf.where(isVirtual, tf.zerosLike(ids), ids)); // [batch, seq, hidden]
    const rows = tf.concat(acting.map(({ embedding }) => t.value(embedding))); // [virtual, hidden]
    let index: Tensor = tf.zerosLike(ids);
    let start = 0;
    for (const { first, count } of acting) {
      const isOwn = tf.greaterEqual(ids, tf.scalar(vocabulary + first, 'int32'));
      // Later blocks have higher ids, and overwrite this.
      index = tf.where(isOwn, tf.sub(ids, tf.scalar(vocabulary + first - start, 'int32')), index);
      start += count;
    }
    const own: Tensor = tf.gather(rows, index as never); // [batch, seq, hidden]
    return tf.where(tf.expandDims(isVirtual, -1), own, real);
  };
}

interface Block extends VirtualTokens {
  /** Its first id, counted from the vocabulary's size. */
  readonly first: number;
}

/** All blocks of virtual tokens with their ids, which do not depend on what is active. */
function blocksOf({ virtual }: ModelRegistry): Block[] {
  let first = 0;
  return virtual.map((block) => {
    const placed = { ...block, first };
    first += block.count;
    return placed;
  });
}

function actingBlocks(registry: ModelRegistry, { stacks }: ActiveAdapters): Block[] {
  return blocksOf(registry).filter(
    ({ adapter }) => adapter === null || stacks.some((stack) => stack.includes(adapter)),
  );
}

/** The ids that belong before a text under a stack: the methods' own, then those of the adapters in their order. */
export function virtualIds(registry: ModelRegistry, vocabulary: number, stack: AdapterStack): Int32Array {
  const blocks = [null, ...stack].flatMap((name) => blocksOf(registry).filter(({ adapter }) => adapter === name));
  return Int32Array.from(
    blocks.flatMap(({ first, count }) => Array.from({ length: count }, (_, index) => vocabulary + first + index)),
  );
}

/** How far a prefix moves the positions of a text under a stack. */
export function positionShift({ shifts }: ModelRegistry, stack: AdapterStack, bare = false): number {
  const names = actingIn(stack, bare);
  const acting = shifts.filter(({ adapter }) => names.includes(adapter));
  return acting.reduce((sum, { count }) => sum + count, 0);
}
