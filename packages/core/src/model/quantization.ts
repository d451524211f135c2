import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Method } from '../method/method.js';
import type { Handle } from '../parameters/handle.js';
import type { Encoding } from '../storage/encoded-matrix.js';
import type { WeightCodec } from '../storage/weight-codec.js';
import type { ModelRegistry } from './registry.js';
import { selectSites } from './selector.js';
import type { LinearSite } from './site.js';

/** How a base's frozen matrices are kept. */
export interface Quantization {
  readonly codec: WeightCodec;
  /** Modules that stay as they are, by names as methods' targets have them (`llm_int8_skip_modules` of transformers). */
  readonly exclude?: readonly string[];
}

/**
 * What is kept by a codec, by the weight's key: the matrices of the blocks' linear layers that nothing trains. Embeddings,
 * heads and what is tied to them stay as they are, as transformers' bitsandbytes integration leaves them.
 */
export function encodedWeights(registry: ModelRegistry, quantization: Quantization): Map<string, Encoding> {
  const { codec, exclude = [] } = quantization;
  const sites = [...registry.sites.values()];
  const inBlocks = sites.filter((site): site is LinearSite => site.kind === 'linear' && site.depth !== null);
  const kept = exclude.length === 0 ? [] : selectSites(inBlocks, { include: exclude }, "quantization's exclude");
  const isShared = (handle: Handle): boolean =>
    sites.filter((site) => 'weightHandle' in site && site.weightHandle === handle).length > 1;
  return new Map(
    inBlocks
      .filter((site) => !kept.includes(site) && !isShared(site.weightHandle))
      .filter(({ weightHandle }) => !registry.trained.has(weightHandle.key))
      .map(({ weightHandle, layout, outFeatures, inFeatures }) => [
        weightHandle.key,
        { codec, rows: outFeatures, columns: inFeatures, transposed: layout === 'in-out' },
      ]),
  );
}

/** @throws CAPABILITY_MISSING for a method that does not say that it trains over a quantised base */
export function checkQuantizedBase(methods: Iterable<Method>, { codec }: Quantization): void {
  for (const { name, capabilities } of methods) {
    if (capabilities.quantizedBase === true) continue;
    throw new TunesmithError('CAPABILITY_MISSING', `the method "${name}" does not train over a quantised base`, {
      where: codec.name,
      ...(capabilities.trainsBase && { got: "a method that trains the base's own weights, which codes cannot hold" }),
      hint: 'Leave the base as it is, or choose a method that adds parameters of its own.',
    });
  }
}
