import type { Handle, IndexSpec, ParameterSpec } from '../parameters/handle.js';
import type { Tensor } from '../tensor/tfjs.js';
import type { Derived } from './derived.js';
import type { Trace } from './trace.js';

/** One attention call. Query and key come after rotary; a prefix is never rotated and every query sees it. */
export interface AttentionCall {
  /** `[batch, heads, seq, headDim]` */
  readonly query: Tensor;
  /** `[batch, keyHeads, seq, headDim]` */
  readonly key: Tensor;
  /** `[batch, keyHeads, seq, headDim]` */
  readonly value: Tensor;
  /** Keys and values before all others, `[batch, keyHeads, prefix, headDim]`. */
  readonly prefix?: { readonly key: Tensor; readonly value: Tensor };
  /** Added to the scores of all keys but a prefix's, `[batch | 1, heads | 1, seq, keys]`. */
  readonly bias?: Tensor;
  /** What the distance from query to key adds to a score, where that is learnt: see `distanceBias`; for a prefix's keys. */
  readonly byDistance?: Tensor;
}

/** The two texts of an encoder-decoder: what its decoder reads, as any other model does, and what its encoder reads. */
export type Stream = 'tokens' | 'source';

/** One addition to the stream: what a sublayer gave, and where it goes. */
export interface ResidualCall {
  /** The stream that the branch is added to, `[batch, seq, features]`. */
  readonly stream: Tensor;
  /** What the sublayer adds, just before it is added, `[batch, seq, features]`. */
  readonly branch: Tensor;
  /** What the stream becomes with a branch: their sum, normed where the family norms after adding. */
  after(branch: Tensor): Tensor;
}

/** What flows into and out of a site of each kind. */
export interface SiteCalls {
  /** Token ids `[batch, seq]` → `[batch, seq, features]`. */
  embedding: { input: Tensor; output: Tensor };
  /** `[..., inFeatures]` → `[..., outFeatures]`. */
  linear: { input: Tensor; output: Tensor };
  norm: { input: Tensor; output: Tensor };
  /** → `[batch, heads, seq, headDim]`. */
  attention: { input: AttentionCall; output: Tensor };
  activation: { input: Tensor; output: Tensor };
  /** A branch from its input to what it adds to the stream: attention or feed-forward as a whole. */
  sublayer: { input: Tensor; output: Tensor };
  /** → the branch to add. */
  residual: { input: ResidualCall; output: Tensor };
  block: { input: Tensor; output: Tensor };
}

export type SiteKind = keyof SiteCalls;

/** What a site does in its model, the same word in every family. */
export type SiteRole =
  | 'embedding.token'
  | 'embedding.position'
  | 'embedding.type'
  | 'embedding.projection'
  | 'attention'
  | 'attention.cross'
  | 'attention.query'
  | 'attention.key'
  | 'attention.value'
  | 'attention.qkv'
  | 'attention.output'
  | 'mlp'
  | 'mlp.gate'
  | 'mlp.up'
  | 'mlp.down'
  | 'mlp.activation'
  | 'router'
  | 'norm'
  | 'block'
  | 'pooler'
  | 'head.transform'
  | 'head';

/** One part of a fused projection: `size` output features from `start`. */
export interface Slice {
  readonly role: SiteRole;
  readonly start: number;
  readonly size: number;
}

export interface SiteBase {
  readonly kind: SiteKind;
  /** Hugging Face module path, such as `model.layers.3.self_attn.q_proj`. */
  readonly path: string;
  readonly role: SiteRole;
  /** The block's index, or null outside the blocks. */
  readonly depth: number | null;
}

export interface LinearSite extends SiteBase {
  readonly kind: 'linear';
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** The parts of a fused projection; one part that covers everything otherwise. */
  readonly slices: readonly Slice[];
  /** How the checkpoint stores the weight: PyTorch's Linear `out-in`, GPT-2's Conv1D `in-out`. */
  readonly layout: 'out-in' | 'in-out';
  readonly weightHandle: Handle;
  readonly biasHandle: Handle | null;
  /** x · Wᵀ with the stored weight, without bias or wraps: `[..., in]` → `[..., out]`. */
  apply(t: Trace, x: Tensor): Tensor;
  /** The weight as `[out, in]`, however it is stored. */
  weight(t: Trace): Tensor;
  /** The bias `[out]`, or null where there is none. */
  bias(t: Trace): Tensor | null;
}

export interface EmbeddingSite extends SiteBase {
  readonly kind: 'embedding';
  readonly rows: number;
  readonly features: number;
  readonly weightHandle: Handle;
}

export interface AttentionSite extends SiteBase {
  readonly kind: 'attention';
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
  /** What the products of queries and keys are multiplied by. */
  readonly scale: number;
  /** Whose queries they are. */
  readonly from: Stream;
  /** Whose keys they see. */
  readonly over: Stream;
}

export interface NormSite extends SiteBase {
  readonly kind: 'norm';
  readonly features: number;
  readonly weightHandle: Handle;
  readonly biasHandle: Handle | null;
}

export interface StreamSite<Kind extends SiteKind = 'activation' | 'sublayer' | 'block'> extends SiteBase {
  readonly kind: Kind;
  readonly features: number;
}

export interface ResidualSite extends SiteBase {
  readonly kind: 'residual';
  readonly features: number;
  /** Whether the sum is normed (BERT) rather than what the sublayer reads (Llama, GPT-2). */
  readonly normAfter: boolean;
}

export type AnySite =
  | LinearSite
  | EmbeddingSite
  | AttentionSite
  | NormSite
  | StreamSite<'activation'>
  | StreamSite<'sublayer'>
  | StreamSite<'block'>
  | ResidualSite;
export type SiteOf<Kind extends SiteKind> = Extract<AnySite, { kind: Kind }>;

/** A place where a method declares parameters of its own: a site, or the method itself for what sites share. */
export interface MethodScope {
  /** A trained parameter named `<site path>.<name>`. */
  parameter(name: string, spec: ParameterSpec): Handle;
  /** Stored state that no optimizer touches. */
  buffer(name: string, spec: ParameterSpec | IndexSpec): Handle;
  /**
   * A value computed once a run, however many sites read it. What `define` declares with the scope that it is given,
   * named `<name>.<its name>`, is read by the returned function alone; an adapter file holds the value instead.
   */
  derived(name: string, define: (scope: Omit<MethodScope, 'derived'>) => (t: Trace) => Tensor): Derived;
}

export type Middleware<Kind extends SiteKind> = (
  input: SiteCalls[Kind]['input'],
  next: (input: SiteCalls[Kind]['input']) => SiteCalls[Kind]['output'],
  t: Trace,
) => SiteCalls[Kind]['output'];
