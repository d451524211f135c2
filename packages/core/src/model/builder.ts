import type { Handle, Initializer } from '../parameters/handle.js';
import { constant, zeros } from '../parameters/initializers.js';
import { layerNorm } from '../tensor/layer-norm.js';
import { rmsNorm } from '../tensor/rms-norm.js';
import { type Named, type Shape, type Tensor, tf } from '../tensor/tfjs.js';
import type { AdapterStack } from './adapters.js';
import { checkpointBlock } from './checkpoint-block.js';
import { addBaseHandle, addSite, type ModelRegistry, siteKey, weightsUnder } from './registry.js';
import { runAttention } from './run-attention.js';
import { runSite } from './run-site.js';
import type { AnySite, LinearSite, SiteCalls, SiteKind, SiteRole, Slice, Stream } from './site.js';
import type { Trace } from './trace.js';
import { withVirtualTokens } from './virtual-tokens.js';

/** Tensors that a site's body needs beside its input. */
export type SiteContext = readonly Readonly<Named<Tensor>>[];

/**
 * What a family calls in its forward pass for a site: the wrapped computation. `context` passes by the wraps to the
 * body: what is computed once a run and depends on no parameter, such as rotary tables.
 */
export type SiteFunction<Kind extends SiteKind, Context extends SiteContext = []> = (
  t: Trace,
  input: SiteCalls[Kind]['input'],
  ...context: Context
) => Tensor;

export interface LinearOptions {
  readonly role: SiteRole;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias?: boolean;
  /** `out-in` if not said. */
  readonly layout?: LinearSite['layout'];
  readonly slices?: readonly Slice[];
  /** A weight that another site owns: tied embeddings. */
  readonly tiedTo?: Handle;
  /** The bias's own name where it doesn't lie in the module: `predictions.bias`, say, for a linear `predictions.decoder`. */
  readonly biasName?: string;
  /** What the weight starts as where the checkpoint lacks it, with a bias of 0: a head's. */
  readonly init?: Initializer;
}

export interface EmbeddingOptions {
  readonly role: SiteRole;
  readonly rows: number;
  readonly features: number;
}

export interface NormOptions {
  readonly kind: 'rms' | 'layer';
  readonly features: number;
  readonly epsilon: number;
  /** Whether the checkpoint may lack it, to start then as a weight of 1 and a bias of 0: a head's. */
  readonly fresh?: boolean;
}

export interface AttentionOptions {
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
  readonly causal: boolean;
  /** Sliding window: a query sees this many last keys, itself among them. */
  readonly window?: number;
  /** What the products of queries and keys are multiplied by; headDim^-½ if not said. */
  readonly scale?: number;
  /** The text whose tokens see each other; `tokens` if not said. That of the source has its mask in the call's bias. */
  readonly of?: Stream;
}

/** Keys and values `[batch, keyHeads, source, headDim]` of what the encoder gave. */
export interface SourceKeys {
  readonly key: Tensor;
  readonly value: Tensor;
}

export interface StreamOptions {
  readonly role: SiteRole;
  readonly features: number;
}

/**
 * With this a family declares its sites, once, and gets for each the function that its forward pass calls.
 * Declaring before running means that methods see every site with its sizes before anything is traced.
 */
export interface ModelBuilder {
  /** A builder for the sites below a name; a block gives its index as `depth`. */
  child(name: string, depth?: number): ModelBuilder;
  embedding(name: string, options: EmbeddingOptions): SiteFunction<'embedding'> & { readonly weight: Handle };
  linear(name: string, options: LinearOptions): SiteFunction<'linear'>;
  norm(name: string, options: NormOptions): SiteFunction<'norm'>;
  attention(name: string, options: AttentionOptions): SiteFunction<'attention'>;
  /**
   * Attention of the tokens to the source, under an additive mask. `keys` is not asked where a cache holds what it gave.
   */
  crossAttention(
    name: string,
    options: Omit<AttentionOptions, 'causal' | 'window' | 'of'>,
  ): (t: Trace, query: Tensor, keys: () => SourceKeys, mask: Tensor) => Tensor;
  activation(name: string, options: StreamOptions, body: (x: Tensor) => Tensor): SiteFunction<'activation'>;
  /** A branch as a whole, such as self-attention: wrapped from its input to its output. */
  sublayer<Context extends SiteContext>(
    name: string,
    options: StreamOptions,
    body: SiteFunction<'sublayer', Context>,
  ): SiteFunction<'sublayer', Context>;
  /** `stream + branch`, with a residual site on the branch; then the norm, in families that norm after adding. */
  residual(
    name: string,
    options: StreamOptions & { readonly norm?: SiteFunction<'norm'> },
  ): (t: Trace, stream: Tensor, branch: Tensor) => Tensor;
  /** A whole block; its inside may be recomputed in the backward pass. */
  block<Context extends SiteContext>(
    options: StreamOptions,
    body: SiteFunction<'block', Context>,
  ): SiteFunction<'block', Context>;
}

export function createBuilder(registry: ModelRegistry, prefix = '', depth: number | null = null): ModelBuilder {
  const pathOf = (name: string): string => (prefix === '' || name === '' ? prefix + name : `${prefix}.${name}`);
  const weight = (path: string, shape: Shape, init?: Initializer): Handle =>
    addBaseHandle(registry, path, shape, { decay: shape.length > 1, depth, init });

  function site<Kind extends SiteKind, Context extends SiteContext = []>(
    declared: AnySite,
    body: SiteFunction<Kind, Context>,
  ): SiteFunction<Kind, Context> {
    const key = siteKey(declared);
    return (t, input, ...context) =>
      t.atSite(key, () => {
        const wraps = registry.wraps.get(key) ?? [];
        const weightsOf = (stack: AdapterStack): string => weightsUnder(registry, declared, stack);
        return runSite<Kind>(t, { wraps, weightsOf, body: (value) => body(t, value, ...context) }, input);
      });
  }

  return {
    child: (name, childDepth = depth as number) => createBuilder(registry, pathOf(name), childDepth ?? null),

    embedding(name, { role, rows, features }) {
      const path = pathOf(name);
      const weightHandle = weight(`${path}.weight`, [rows, features]);
      const declared = addSite(registry, { kind: 'embedding', path, role, depth, rows, features, weightHandle });
      const call = site<'embedding'>(declared, (t, ids) => tf.gather(t.value(weightHandle), ids as never));
      const whole = role === 'embedding.token' ? withVirtualTokens(registry, rows, call) : call;
      return Object.assign(whole, { weight: weightHandle });
    },

    linear(name, { role, inFeatures, outFeatures, bias = false, layout = 'out-in', slices, tiedTo, biasName, init }) {
      const path = pathOf(name);
      const shape = layout === 'out-in' ? [outFeatures, inFeatures] : [inFeatures, outFeatures];
      const biasPath = biasName === undefined ? `${path}.bias` : pathOf(biasName);
      const weightHandle = tiedTo ?? weight(`${path}.weight`, shape, init);
      const biasHandle = bias ? weight(biasPath, [outFeatures], init === undefined ? undefined : zeros) : null;
      const logicalWeight = (t: Trace): Tensor => {
        const stored = t.value(weightHandle);
        return layout === 'out-in' ? stored : tf.transpose(stored);
      };
      const declared = addSite(registry, {
        kind: 'linear',
        path,
        role,
        depth,
        inFeatures,
        outFeatures,
        slices: slices ?? [{ role, start: 0, size: outFeatures }],
        layout,
        weightHandle,
        biasHandle,
        apply: (t, x) => t.linear(x, weightHandle, layout),
        weight: logicalWeight,
        bias: (t) => (biasHandle === null ? null : t.value(biasHandle)),
      });
      return site<'linear'>(declared, (t, x) => {
        const product = declared.apply(t, x);
        const offset = declared.bias(t);
        return offset === null ? product : tf.add(product, offset);
      });
    },

    norm(name, { kind, features, epsilon, fresh = false }) {
      const path = pathOf(name);
      const weightHandle = weight(`${path}.weight`, [features], fresh ? constant(1) : undefined);
      const biasHandle = kind === 'layer' ? weight(`${path}.bias`, [features], fresh ? zeros : undefined) : null;
      const declared = addSite(registry, {
        kind: 'norm',
        path,
        role: 'norm',
        depth,
        features,
        weightHandle,
        biasHandle,
      });
      return site<'norm'>(declared, (t, x) =>
        biasHandle === null
          ? rmsNorm(x, t.value(weightHandle), epsilon)
          : layerNorm(x, t.value(weightHandle), t.value(biasHandle), epsilon),
      );
    },

    attention(name, { heads, keyHeads, headDim, causal, window, scale = headDim ** -0.5, of = 'tokens' }) {
      const path = pathOf(name);
      const shape = { heads, keyHeads, headDim, scale, from: of, over: of } as const;
      const declared = addSite(registry, { kind: 'attention', path, role: 'attention', depth, ...shape });
      const options = { scale, causal, over: of, ...(window === undefined ? {} : { window }) };
      return site<'attention'>(declared, (t, call) => runAttention(t, path, call, options));
    },

    crossAttention(name, { heads, keyHeads, headDim, scale = headDim ** -0.5 }) {
      const path = pathOf(name);
      const shape = { heads, keyHeads, headDim, scale, from: 'tokens', over: 'source' } as const;
      const declared = addSite(registry, { kind: 'attention', path, role: 'attention.cross', depth, ...shape });
      const options = { scale, causal: false, over: 'source' } as const;
      const call = site<'attention'>(declared, (t, given) => runAttention(t, path, given, options));
      return (t, query, keys, mask) =>
        call(t, { query, ...(t.cache === undefined ? keys() : t.cache.source(path, keys)), bias: mask });
    },

    activation(name, { role, features }, body) {
      const declared = addSite(registry, { kind: 'activation', path: pathOf(name), role, depth, features });
      return site<'activation'>(declared, (_, x) => body(x));
    },

    sublayer(name, { role, features }, body) {
      const declared = addSite(registry, { kind: 'sublayer', path: pathOf(name), role, depth, features });
      return site(declared, body);
    },

    residual(name, { role, features, norm }) {
      const normAfter = norm !== undefined;
      const declared = addSite(registry, { kind: 'residual', path: pathOf(name), role, depth, features, normAfter });
      const call = site<'residual'>(declared, (_, { branch }) => branch);
      return (t, stream, branch) => {
        const after = (added: Tensor): Tensor => {
          const sum = tf.add(stream, added);
          return norm === undefined ? sum : norm(t, sum);
        };
        return after(call(t, { stream, branch, after }));
      };
    },

    block({ role, features }, body) {
      const declared = addSite(registry, { kind: 'block', path: prefix, role, depth, features });
      const call = site(declared, body);
      return (t, x, ...context) =>
        t.checkpointBlocks ? checkpointBlock(registry, prefix, call, t, x, context) : call(t, x, ...context);
    },
  };
}
