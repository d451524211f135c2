import { checkpoint } from '../tensor/checkpoint.js';
import type { Tensor } from '../tensor/tfjs.js';
import type { SiteContext, SiteFunction } from './builder.js';
import type { ModelRegistry } from './registry.js';
import type { Trace } from './trace.js';

/**
 * Runs a block so that its inside is recomputed in the backward pass instead of being kept (Chen et al. 2016).
 * The recomputation sees only what it lists as inputs: the stream, the block's context, the mask, every trained value
 * of the block, and the trained values that methods share between sites.
 */
export function checkpointBlock<Context extends SiteContext>(
  registry: ModelRegistry,
  path: string,
  call: SiteFunction<'block', Context>,
  t: Trace,
  x: Tensor,
  context: Context,
): Tensor {
  const trained = [...registry.handles.values()].filter(
    ({ key, path: handlePath }) =>
      registry.trained.has(key) && (handlePath.startsWith(`${path}.`) || !belongsToSite(registry, handlePath)),
  );
  const contextTensors = context.flatMap((record) => Object.values<Tensor>(record));
  const masks = t.mask === undefined ? [] : [t.mask];
  let recomputed = { x, context };
  const body = t.repeatable(() => call(t, recomputed.x, ...recomputed.context));
  const [result] = checkpoint(
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
      return [body(new Map(trained.map(({ key }) => [key, take()])), mask)];
    },
    [x, ...contextTensors, ...masks, ...trained.map((handle) => t.value(handle))],
  );
  return result as Tensor;
}

function belongsToSite(registry: ModelRegistry, handlePath: string): boolean {
  for (const { path } of registry.sites.values()) if (path !== '' && handlePath.startsWith(`${path}.`)) return true;
  return false;
}
