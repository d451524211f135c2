import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Method } from '../method/method.js';
import type { Handle } from '../parameters/handle.js';
import type { Encoding } from '../storage/encoded-matrix.js';
import type { TensorSource } from '../storage/stored-tensor.js';
import type { WeightCodec } from '../storage/weight-codec.js';
import type { Family } from './family.js';
import type { ModelRegistry } from './registry.js';
import { selectSites } from './selector.js';
import type { LinearSite } from './site.js';
import { checkpointNames } from './task-head.js';

/** How a base's frozen matrices are kept. */
export interface Quantization {
  readonly codec: WeightCodec;
  /** Modules that stay as they are, by names as methods' targets have them (`llm_int8_skip_modules` of transformers). */
  readonly exclude?: readonly string[];
}

/** What a model says of how its base is kept. */
interface BaseForm {
  readonly family: Pick<Family, 'weightAliases'>;
  /** By a codec of its own, as values, or as the checkpoint has it if not said. */
  readonly quantization?: Quantization | 'none' | undefined;
  readonly checkpoint?: TensorSource | undefined;
}

/**
 * What is kept by a codec, by the weight's key: the matrices of the blocks' linear layers that nothing trains. Embeddings,
 * heads and what is tied to them stay as they are, as transformers' bitsandbytes integration leaves them.
 */
export function encodedWeights(registry: ModelRegistry, form: BaseForm): Map<string, Encoding> {
  if (form.quantization === 'none') return new Map();
  const exclude = form.quantization?.exclude ?? [];
  const codecOf = (handle: Handle): WeightCodec | undefined =>
    form.quantization === 'none' || form.quantization === undefined
      ? storedCodec(handle, form)
      : form.quantization.codec;
  const sites = [...registry.sites.values()];
  const inBlocks = sites.filter((site): site is LinearSite => site.kind === 'linear' && site.depth !== null);
  const kept = exclude.length === 0 ? [] : selectSites(inBlocks, { include: exclude }, "quantization's exclude");
  const isShared = (handle: Handle): boolean =>
    sites.filter((site) => 'weightHandle' in site && site.weightHandle === handle).length > 1;
  return new Map(
    inBlocks
      // A router's choices hang on small differences, and it is small itself.
      .filter(({ role }) => role !== 'router' || form.quantization === undefined)
      .filter((site) => !kept.includes(site) && !isShared(site.weightHandle))
      .filter(({ weightHandle }) => !registry.trained.has(weightHandle.key))
      .flatMap(({ weightHandle, layout, outFeatures, inFeatures }) => {
        const codec = codecOf(weightHandle);
        const transposed = layout === 'in-out';
        if (codec === undefined) return [];
        return [[weightHandle.key, { codec, rows: outFeatures, columns: inFeatures, transposed }] as const];
      }),
  );
}

/** The codec that a checkpoint keeps a weight by. */
function storedCodec(handle: Handle, { family, checkpoint }: BaseForm): WeightCodec | undefined {
  const names = checkpointNames(family, handle);
  return names.map((name) => checkpoint?.get(name)?.codes?.codec).find((found) => found !== undefined);
}

/** @throws CAPABILITY_MISSING for a method that does not say that it trains over a quantised base */
export function checkQuantizedBase(
  methods: Iterable<Method>,
  { quantization, checkpoint }: Pick<BaseForm, 'quantization' | 'checkpoint'>,
): void {
  const kept = quantization === undefined ? anyCodec(checkpoint) : quantization !== 'none' && quantization.codec;
  if (!kept) return;
  for (const { name, capabilities } of methods) {
    if (capabilities.quantizedBase === true) continue;
    throw new TunesmithError('CAPABILITY_MISSING', `the method "${name}" does not train over a quantised base`, {
      where: kept.name,
      ...(capabilities.trainsBase && { got: "a method that trains the base's own weights, which codes cannot hold" }),
      hint: 'Keep the base as values (`quantization: none`), or choose a method that adds parameters of its own.',
    });
  }
}

function anyCodec(checkpoint: TensorSource | undefined): WeightCodec | undefined {
  if (checkpoint === undefined) return undefined;
  const codecs = checkpoint.names().map((name) => checkpoint.get(name)?.codes?.codec);
  return codecs.find((codec) => codec !== undefined);
}

/** Whether a checkpoint is quantised already. */
export function isQuantized(checkpoint: TensorSource): boolean {
  return anyCodec(checkpoint) !== undefined;
}
