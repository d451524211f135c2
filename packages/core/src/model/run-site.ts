import { type Tensor, tf } from '../tensor/tfjs.js';
import { type AdapterStack, actingIn } from './adapters.js';
import type { SiteWrap } from './registry.js';
import type { SiteCalls, SiteKind } from './site.js';
import type { Trace } from './trace.js';

/** What a site has for the stacks of a run. */
export interface WrappedSite<Kind extends SiteKind> {
  /** What wraps the site, innermost first, whether it acts in this run or not. */
  readonly wraps: readonly SiteWrap[];
  /** Names the weights that the site reads under a stack: modules that an adapter brings a copy of. */
  weightsOf(stack: AdapterStack): string;
  body(input: SiteCalls[Kind]['input']): Tensor;
}

/**
 * Runs a site as the active adapters want it. Where rows have different stacks, y = yₛ in the rows of stack s: the site
 * runs once for each stack that differs here, over all rows, and every row takes its own result. What lies beneath the
 * wraps runs once for all stacks that hand it the same input, as low-rank updates and rescalings of the output do; sites
 * in there mix the rows for themselves.
 */
export function runSite<Kind extends SiteKind>(
  t: Trace,
  { wraps, weightsOf, body }: WrappedSite<Kind>,
  input: SiteCalls[Kind]['input'],
): Tensor {
  const { stacks } = t.adapters;
  const own = stacks.map((stack) => wrapsOf(wraps, stack, t.bare));
  const through = (layers: readonly SiteWrap[], inner: (value: typeof input) => Tensor): Tensor => {
    const run = (level: number, value: typeof input): Tensor => {
      const layer = layers[level];
      if (layer === undefined) return inner(value);
      return layer.middleware(value as never, (next) => run(level - 1, next as never), t);
    };
    return run(layers.length - 1, input);
  };
  const alike = groupAlike(
    stacks,
    (stack, index) => `${own[index]?.map((wrap) => wraps.indexOf(wrap))} ${weightsOf(stack)}`,
  );
  if (alike.length === 1) return through(own[0] ?? [], body);

  const results = new Map<string, Map<typeof input, Tensor>>();
  const shared =
    (stack: AdapterStack) =>
    (value: typeof input): Tensor => {
      const weights = weightsOf(stack);
      const known = results.get(weights) ?? new Map<typeof input, Tensor>();
      results.set(weights, known);
      const result = known.get(value) ?? body(value);
      known.set(value, result);
      return result;
    };
  return alike
    .map(({ members }) => {
      const [index = 0] = members;
      return { members, y: t.inStack(index, () => through(own[index] ?? [], shared(stacks[index] ?? []))) };
    })
    .reduce((all, { members, y }) => ({ members, y: tf.where(rowsOf(t, members, y), y, all.y) })).y;
}

/** The wraps of what always acts, unless the run is bare, then those of each adapter in the stack's order. */
export function wrapsOf(wraps: readonly SiteWrap[], stack: AdapterStack, bare = false): SiteWrap[] {
  return actingIn(stack, bare).flatMap((name) => wraps.filter(({ adapter }) => adapter === name));
}

function groupAlike(
  stacks: readonly AdapterStack[],
  key: (stack: AdapterStack, index: number) => string,
): { members: number[] }[] {
  const groups = new Map<string, number[]>();
  for (const [index, stack] of stacks.entries()) {
    const name = key(stack, index);
    groups.set(name, [...(groups.get(name) ?? []), index]);
  }
  return [...groups.values()].map((members) => ({ members }));
}

/** Whether a row of y has one of the stacks: bool `[rows, 1, …]`. */
function rowsOf(t: Trace, members: readonly number[], y: Tensor): Tensor {
  const rows = t.stackOfRow();
  const each = members.map((index) => tf.equal(rows, tf.scalar(index, 'int32')));
  const any = each.reduce((some, next) => tf.logicalOr(some, next));
  return tf.reshape(any, [y.shape[0] as number, ...y.shape.slice(1).map(() => 1)]);
}
