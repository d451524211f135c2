import { checkpoint } from '../tensor/checkpoint.js';
import type { Tensor } from '../tensor/tfjs.js';
import type { SiteContext, SiteFunction } from './builder.js';
import { readByBlock } from './derived.js';
import type { Handed } from './handed.js';
import type { ModelRegistry } from './registry.js';
import type { Trace } from './trace.js';

/**
 * Runs a block so that its inside is recomputed in the backward pass instead of being kept (Chen et al. 2016).
 * The recomputation sees only what it lists as inputs: the stream, the block's context, the mask, every trained value
 * of the block, and what methods share between sites: trained values and derived ones. Reading another one in the block
 * is an error, since its gradient would be lost. What the block hands on beside its output leaves it as further outputs, once.
 */
export function checkpointBlock<Context extends SiteContext>(
  registry: ModelRegistry,
  path: string,
  call: SiteFunction<'block', Context>,
  t: Trace,
  x: Tensor,
  context: Context,
): Tensor {
  const read = readByBlock(registry, path);
  const contextTensors = context.flatMap((record) => Object.values<Tensor>(record));
  const masks = t.mask === undefined ? [] : [t.mask];
  // Only a prefix asks where the tokens stand.
  const positions = registry.shifts.length === 0 || t.positions === undefined ? [] : [t.positions];
  let recomputed = { x, context };
  const body = t.repeatable(
    () => call(t, recomputed.x, ...recomputed.context),
    (key) => registry.trained.has(key) || registry.derived.has(key),
  );
  let handed: readonly Handed[] = [];
  const [result, ...values] = checkpoint(
    (inputs) => {
      const next = inputs[Symbol.iterator]();
      const take = (): Tensor => next.next().value as Tensor;
      recomputed = {
        x: take(),
        context: context.map((record) =>
          Object.fromEntries(Object.keys(record).map((name) => [name, take()])),
        ) as never,
      };
      const mask = masks.length === 0 ? undefined : take();
      const place = positions.length === 0 ? undefined : take();
      const given = new Map(read.map(({ key }) => [key, take()]));
      const run = t.capture(() => body({ mask, positions: place, values: given }));
      handed = run.handed;
      return [run.result, ...handed.map(({ value }) => value)];
    },
    [x, ...contextTensors, ...masks, ...positions, ...read.map((each) => t.value(each))],
  );
  for (const [index, each] of handed.entries()) t.hand({ ...each, value: values[index] as Tensor });
  return result as Tensor;
}
