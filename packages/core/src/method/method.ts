import type { Derived } from '../model/derived.js';
import type { AdapterModules, StackedModules, Task } from '../model/family.js';
import type { Replace } from '../model/replaced.js';
import type { Selector } from '../model/selector.js';
import type { AnySite, MethodScope, Middleware, SiteBase, SiteKind, SiteOf } from '../model/site.js';
import type { Handle, HostArray } from '../parameters/handle.js';
import type { TensorSource } from '../storage/stored-tensor.js';
import type { Named } from '../tensor/tfjs.js';
import type { Adapter, AdapterHost } from './adapter-file.js';
import type { PatchHooks } from './hooks.js';
import type { RunLength, Stage, StageState } from './stage.js';

/** The plugin contract's version. A method names the one it was written for; the engine refuses any other. */
export const apiVersion = 1;

/** What a method can do. Shared code asks these, never a method's name. */
export interface Capabilities {
  /** Its effect can be folded into the base weights by `merge`. */
  readonly mergeable: boolean;
  /** The patched model equals the base model before the first step. */
  readonly identityAtInit: boolean;
  /** It trains weights of the checkpoint itself, rather than only parameters of its own. */
  readonly trainsBase: boolean;
  /**
   * It trains over a base whose matrices are quantised: it leaves them as they are, and asks for them by `next`, `apply` or
   * `weight`. False if not said.
   */
  readonly quantizedBase?: boolean;
  /** It acts in training alone: nothing of it is saved, and whoever uses the result needs nothing of it. False if not said. */
  readonly leavesNothing?: boolean;
  /** It goes on with what it kept in the run before, by `StageHost.previous`. False if not said. */
  readonly carriesOn?: boolean;
  /** A run saves the whole model, because nearly all of it was trained; an adapter beside the base model if not said. */
  readonly savesModel?: boolean;
}

/** A site with a place for the method's own parameters. */
export type PatchableSite<Kind extends SiteKind> = SiteOf<Kind> & MethodScope;

/** What a method may know of the model's family. */
export interface PatchedModel {
  /** PEFT's default target modules, by method name. */
  readonly defaultTargets: Readonly<Named<readonly string[]>>;
  /** Whether linear weights lie `[in, out]` in the checkpoint (GPT-2). */
  readonly fanInFanOut: boolean;
  /** What the model is for. */
  readonly task: Task;
  /** The modules within a block that AdapterHub's library keeps adapters in; those of the residual sites where absent. */
  readonly adapterModules?: AdapterModules;
  /** Modules whose weights transformers keeps in stacks; absent where it has none. */
  readonly stackedModules?: StackedModules;
  /** Everywhere that a method could act. */
  readonly sites: readonly AnySite[];
}

/** What `patchModel` works with. */
export interface Patcher extends MethodScope {
  readonly model: PatchedModel;
  /** The stage to patch for, of a method that has stages; null before a run, and for methods without. */
  readonly stage: StageState | null;
  /** The checkpoint's own weights, in the order of the forward pass: what is before the blocks, the blocks, what is after. */
  readonly weights: readonly Handle[];
  /** What the methods before this one train, of their own and of the checkpoint's: for a method that acts on what others train. */
  readonly trained: readonly Handle[];
  /** The sites of a kind that may be wrapped: all but those of a head that is trained and saved whole. */
  sites<Kind extends SiteKind>(kind: Kind): readonly SiteOf<Kind>[];
  /**
   * Wraps every selected site of a kind, or of several; the first method in a recipe is the innermost. Returns what it
   * wrapped.
   */
  wrap<Kind extends SiteKind>(
    kind: Kind | readonly Kind[],
    select: Selector,
    patch: (site: PatchableSite<Kind>) => { [Each in Kind]: Middleware<Each> }[Kind],
  ): readonly PatchableSite<Kind>[];
  /**
   * Puts `count` virtual tokens before every text, each embedded as a row of `embedding` `[count, hidden]`. They are
   * tokens like any other, from their positions to the cache, but for the loss: they weigh nothing.
   */
  reserve(count: number, embedding: Handle | Derived): void;
  /** Begins every text's positions at `count`: what a prefix of keys and values takes, which is no token. */
  shiftPositions(count: number): void;
  /** Trains weights of the checkpoint: all whose path the predicate takes. Returns them. */
  train(select: (handle: Handle) => boolean): readonly Handle[];
  /** Trains copies in their place, and leaves the checkpoint's own untouched until merged. Returns the copies. */
  trainCopies(select: (handle: Handle) => boolean): readonly Handle[];
  /**
   * Puts a function of a weight of the checkpoint in its place, θ := f(θ), for every one that the predicate takes, shared
   * and tied ones included; a head that is trained whole is left alone. Returns the weights. The last method's function
   * is the outermost.
   */
  replace(select: (handle: Handle) => boolean, make: Replace): readonly Handle[];
  /**
   * Trains a copy of a whole module's weights and leaves the checkpoint's untouched until merged:
   * PEFT's `modules_to_save`.
   */
  trainModules(names: readonly string[]): readonly Handle[];
}

/** Values of handles on the host, as float32 in row-major order. */
export interface HostValues {
  read(handle: Handle): Promise<Float32Array>;
  write(handle: Handle, values: Float32Array): Promise<void>;
}

/** What merging one site sees. */
export interface MergeHost extends HostValues {
  /** The values of any handle, as they are stored: of whole numbers too. */
  readArray(handle: Handle): Promise<HostArray>;
  /** The method's handle at a site by the name it declared, or undefined. */
  handle(site: SiteBase, name: string): Handle | undefined;
}

/** Whether a merge changed the weight, and whether that can be taken out again. */
export type MergeResult = boolean | 'irreversible';

/** A method bound to its config: what a recipe's `methods` array holds. */
export interface Method {
  readonly name: string;
  readonly apiVersion: number;
  readonly config: unknown;
  /** Names of the config's options that act in training alone: adapters that differ in these run the same programs. */
  readonly trainingOptions?: readonly string[];
  readonly capabilities: Capabilities;
  /**
   * Wraps sites and declares parameters. Most methods need no more; one that also acts beside the optimizer returns those
   * hooks, so that they close over the handles of the model that was patched and of no other.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a method without further hooks returns nothing.
  patchModel(patcher: Patcher): PatchHooks | void;
  /**
   * The stages of a run, in order, for a method whose trained set changes; one method of a recipe may have them.
   * `weights` are the checkpoint's own, as the patcher lists them.
   * @throws CONFIG_INVALID for a run that is too short
   */
  stages?(run: RunLength, weights: readonly Handle[]): readonly Stage[];
  /** adapter_config.json for this method and model, in PEFT's fields; absent where PEFT has no such method. */
  peftConfig?(model: PatchedModel): Record<string, unknown>;
  /**
   * The `config` of AdapterHub's adapter_config.json for this method and model. A method that has it is saved in
   * AdapterHub's form, with `adapterName` giving its names, less the adapter's own: `….adapters.adapter_up.weight`.
   */
  adapterHubConfig?(model: PatchedModel): Record<string, unknown>;
  /** The tensor name of a handle or a derived value in the adapter file; `peftName(path)` if not said. */
  adapterName?(value: Handle | Derived): string;
  /** The same of a weight of the head that is saved beside it. */
  headName?(path: string): string;
  /** Rewrites what would be saved, one tensor a handle, where the file's form is another. Whole numbers pass by it. */
  exportAdapter?(adapter: Adapter, host: AdapterHost): Adapter | Promise<Adapter>;
  /**
   * The reverse: the file's tensors as one for every handle. What it does not know it passes on as it is, to be refused
   * like every tensor without a place.
   */
  importAdapter?(source: TensorSource, host: AdapterHost): TensorSource | Promise<TensorSource>;
  /**
   * Folds the method's effect into a linear site's weight, `[out, in]` row-major, in place; `sign` −1 takes it out. A
   * weight that sites share is folded for each of them, and refused unless they agree.
   * False where the method leaves the site alone, `irreversible` where −1 would not give the weight back. Required of a
   * mergeable method.
   */
  merge?(site: SiteOf<'linear'>, weight: Float32Array, host: MergeHost, sign: 1 | -1): Promise<MergeResult>;
  /** The same for an embedding `[rows, features]`; required where a mergeable method wraps one. */
  mergeEmbedding?(site: SiteOf<'embedding'>, weight: Float32Array, host: MergeHost, sign: 1 | -1): Promise<MergeResult>;
  /** The same for the site's bias `[out]`, where the method changes it too. */
  mergeBias?(site: SiteOf<'linear'>, bias: Float32Array, host: MergeHost, sign: 1 | -1): Promise<MergeResult>;
}
