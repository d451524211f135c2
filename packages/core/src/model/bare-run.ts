import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Handle } from '../parameters/handle.js';
import { stopGradient } from '../tensor/stop-gradient.js';
import { type Tensor, tf } from '../tensor/tfjs.js';
import type { AdapterStack } from './adapters.js';
import type { TokenColumns } from './family.js';
import type { ModelRun } from './model.js';
import { type ModelRegistry, resolveHandle } from './registry.js';
import type { Replaced } from './replaced.js';
import type { Trace } from './trace.js';
import { virtualIds } from './virtual-tokens.js';

/** What a forward pass without methods runs, and what of the checkpoint's weights has been moved. */
interface BareParts {
  readonly registry: ModelRegistry;
  /** Paths of the checkpoint's weights that a run trained in place, now or in earlier stages. */
  readonly moved: readonly string[];
  /** The hidden states, and what can be read off them. */
  forward(t: Trace, columns: TokenColumns): Tensor;
  readFrom(t: Trace, hidden: Tensor): ModelRun;
}

/**
 * A forward pass of the checkpoint's own model beside the patched one, over the same weights and the same columns: a reference
 * that costs no memory of its own. The adapters of `alone` act on it, and nothing else. The gradient takes what it computes for
 * constants. Virtual tokens, which its columns begin with, are left out; positions to read at are still those of the columns.
 * @throws CAPABILITY_MISSING where the checkpoint's weights are trained in place, and are no longer there, or an adapter cannot
 * act alone
 */
export function runBare(
  { registry, moved, forward, readFrom }: BareParts,
  t: Trace,
  columns: TokenColumns,
  alone: AdapterStack = [],
): ModelRun {
  checkAlone(registry, alone);
  const [changed] = moved;
  if (changed !== undefined && !t.untrained) {
    throw new TunesmithError(
      'CAPABILITY_MISSING',
      'the model as it was before training is not there beside the trained one',
      {
        where: changed,
        expected: 'methods that leave the checkpoint’s weights as they are',
        hint: 'Compute what depends on it before training (reference: cached), or train an adapter.',
      },
    );
  }
  const [stack = []] = t.adapters.stacks;
  const virtual = virtualIds(registry, 0, stack).length;
  const { source } = columns;
  // Where an encoder reads a text, it is that one which they stand before.
  const skipped = source === undefined ? virtual : 0;
  const [, length = 1] = columns.ids.shape;
  const texts: TokenColumns = {
    ids: withoutFirst(columns.ids, skipped),
    positions: tf.sub(withoutFirst(columns.positions, skipped), tf.scalar(skipped, 'int32')),
    ...(columns.tokenTypes && { tokenTypes: withoutFirst(columns.tokenTypes, skipped) }),
    ...(source && {
      source: {
        ...(source.ids && { ids: withoutFirst(source.ids, virtual) }),
        segments: withoutFirst(source.segments, virtual),
      },
    }),
  };
  const mask = t.mask && tf.slice(t.mask, [0, 0, skipped, skipped], [t.mask.shape[0] as number, 1, -1, -1]);
  const bare = (body: () => Tensor): Tensor => stopGradient(() => t.withoutMethods(mask, alone, body));
  const hidden = bare(() => forward(t, texts));
  const read = readFrom(t, hidden);
  const at = (positions: Tensor): Tensor => {
    if (skipped === 0) return positions;
    const row = tf.floorDiv(positions, tf.scalar(length, 'int32'));
    const moved = tf.sub(positions, tf.mul(tf.add(row, tf.scalar(1, 'int32')), tf.scalar(skipped, 'int32')));
    // What only fills up a column points at the first position, which may be a virtual token's.
    return tf.maximum(moved, tf.scalar(0, 'int32'));
  };
  return {
    hidden,
    logProbs: (positions, labels) => bare(() => read.logProbs(at(positions), labels)),
    sumLogProbs: (positions, labels, weights) => bare(() => read.sumLogProbs(at(positions), labels, weights)),
    logits: (positions) => bare(() => read.logits(positions && at(positions))),
    scores: (last) => bare(() => read.scores(at(last))),
    pooled: (last) => bare(() => read.pooled(at(last))),
  };
}

/** Adapters that act without the methods: on the columns that these were given, and on the checkpoint's own weights. */
function checkAlone(registry: ModelRegistry, alone: AdapterStack): void {
  const cannot = (adapter: string, reason: string): TunesmithError =>
    new TunesmithError('CAPABILITY_MISSING', `the adapter cannot act beside what is trained: it ${reason}`, {
      where: adapter,
      hint: 'Merge it into the base, and let the base be the reference.',
    });
  for (const { adapter } of registry.virtual) {
    if (adapter !== null && alone.includes(adapter)) throw cannot(adapter, 'puts tokens of its own before every text');
  }
  const isOwn = ({ owner }: Handle | Replaced): boolean => alone.some((adapter) => owner.startsWith(`${adapter}/`));
  for (const handle of registry.handles.values()) {
    let read = resolveHandle(registry, handle, alone, true);
    while (isOwn(read) && read.kind === 'replaced') read = read.of;
    if (read === handle || isOwn(read)) continue;
    throw cannot(alone.join(', '), `is a function of "${handle.path}" as it is trained`);
  }
}

/** `[batch, seq]` without the first columns of each row. */
function withoutFirst(x: Tensor, count: number): Tensor {
  return count === 0 ? x : tf.slice(x, [0, count], [x.shape[0] as number, -1]);
}
