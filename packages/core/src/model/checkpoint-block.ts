import { checkpoint } from '../tensor/checkpoint.js';
import type { Tensor } from '../tensor/tfjs.js';
import type { ModelRegistry } from './registry.js';
import type { Trace } from './trace.js';

/**
 * Runs a block so that its inside is recomputed in the backward pass instead of being kept (Chen et al. 2016).
 * A gradient reaches only what the recomputation lists as inputs: the stream, every trained value of the block, and
 * the trained values that methods share between sites.
 */
export function checkpointBlock(
  registry: ModelRegistry,
  path: string,
  t: Trace,
  x: Tensor,
  call: (t: Trace, x: Tensor) => Tensor,
): Tensor {
  const inside = [...registry.handles.values()].filter(
    (handle) =>
      registry.trained.has(handle.key) && (handle.path.startsWith(`${path}.`) || !belongsToSite(registry, handle.path)),
  );
  const values = inside.map((handle) => t.value(handle));
  let stream = x;
  const body = t.repeatable(() => call(t, stream));
  const [result] = checkpoint(
    (inputs) => {
      stream = inputs[0] as Tensor;
      return [body(new Map(inside.map((handle, index) => [handle.key, inputs[index + 1] as Tensor])))];
    },
    [x, ...values],
  );
  return result as Tensor;
}

function belongsToSite(registry: ModelRegistry, handlePath: string): boolean {
  for (const { path } of registry.sites.values()) if (path !== '' && handlePath.startsWith(`${path}.`)) return true;
  return false;
}
