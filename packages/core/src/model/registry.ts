import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Handle, IndexSpec, Initializer, ParameterSpec } from '../parameters/handle.js';
import type { Shape } from '../tensor/tfjs.js';
import { type AdapterStack, actingIn, type Owner } from './adapters.js';
import type { Derived } from './derived.js';
import type { Replaced } from './replaced.js';
import type { AnySite, Middleware, SiteKind } from './site.js';

/** What one method puts around one site. */
export interface SiteWrap extends Owner {
  readonly middleware: Middleware<SiteKind>;
}

/** What building and patching a model adds up to: its sites, its handles, and what wraps what. */
export interface ModelRegistry {
  readonly sites: Map<string, AnySite>;
  readonly handles: Map<string, Handle>;
  /** Keys of the handles that training moves, and the method that said so. */
  readonly trained: Map<string, string>;
  /** What stands in for a base weight, by `replacementKey`: a copy that is trained, or a function of the weight. */
  readonly replacements: Map<string, Handle | Replaced>;
  /** Values computed from parameters, by their key. */
  readonly derived: Map<string, Derived>;
  /** Keys of the handles that nothing but a derived value reads. */
  readonly onlyDerivedFrom: Set<string>;
  /** Tokens that methods put before every text. */
  readonly virtual: VirtualTokens[];
  /** How many positions before a text methods take without tokens: prefixes of keys and values. */
  readonly shifts: { readonly adapter: string | null; readonly count: number }[];
  /** Modules of a head that is trained whole, by PEFT's names, and no place for adapters. */
  headModules: readonly string[];
  /** By site, innermost first. */
  readonly wraps: Map<string, SiteWrap[]>;
}

/** Tokens of a method's own: the rows that a model embeds them as, `[count, hidden]`. */
export interface VirtualTokens {
  /** Whose they are: null where every text has them. */
  readonly adapter: string | null;
  readonly count: number;
  readonly embedding: Handle | Derived;
}

/** What a base weight is where the checkpoint lacks it, whether it decays, and which block it lies in. */
export interface BaseOptions extends Pick<Handle, 'decay' | 'depth'> {
  readonly init?: Initializer | undefined;
}

/** A site's name in the registry: one path may be a sublayer, its attention and its residual at once. */
export function siteKey({ kind, path }: { kind: SiteKind; path: string }): string {
  return `${kind} ${path}`;
}

/** Where a copy of a base weight is found: an adapter's own, or that of a method which always acts. */
export function replacementKey(base: Pick<Handle, 'key'>, adapter: string | null): string {
  return adapter === null ? base.key : `${adapter}/${base.key}`;
}

/** What is read for a base weight: itself, or the copy that a method, unless a run is bare, or the last such adapter of a stack brings. */
export function resolveHandle(
  { replacements }: ModelRegistry,
  base: Handle,
  stack: AdapterStack,
  bare = false,
): Handle | Replaced {
  const copies = actingIn(stack, bare).map((adapter) => replacements.get(replacementKey(base, adapter)));
  return copies.findLast((copy) => copy !== undefined) ?? base;
}

/** Names the weights that a site reads under a stack, to tell stacks apart. */
export function weightsUnder(registry: ModelRegistry, site: AnySite, stack: AdapterStack): string {
  const { weightHandle = null, biasHandle = null } = site as { weightHandle?: Handle; biasHandle?: Handle | null };
  const handles = [weightHandle, biasHandle].filter((handle) => handle !== null);
  return handles.map((handle) => resolveHandle(registry, handle, stack).key).join(' ');
}

export function createRegistry(): ModelRegistry {
  return {
    sites: new Map(),
    handles: new Map(),
    trained: new Map(),
    replacements: new Map(),
    derived: new Map(),
    onlyDerivedFrom: new Set(),
    virtual: [],
    shifts: [],
    wraps: new Map(),
    headModules: [],
  };
}

export function addSite<S extends AnySite>(registry: ModelRegistry, site: S): S {
  const key = siteKey(site);
  if (registry.sites.has(key)) throw new TunesmithError('INTERNAL', 'two sites have one kind and path', { where: key });
  registry.sites.set(key, site);
  return site;
}

/** Declares a weight that the checkpoint brings; the same path twice is the same weight. */
export function addBaseHandle(
  registry: ModelRegistry,
  path: string,
  shape: Shape,
  { decay, depth, init }: BaseOptions,
): Handle {
  const start = init === undefined ? {} : { init };
  const handle: Handle = { key: path, path, owner: 'base', kind: 'parameter', shape, decay, depth, tags: [], ...start };
  registry.handles.set(path, handle);
  return handle;
}

export function addMethodHandle(
  registry: ModelRegistry,
  { owner, adapter, path, kind, depth }: Owner & Pick<Handle, 'path' | 'kind' | 'depth'>,
  spec: ParameterSpec | IndexSpec,
): Handle {
  const { shape, init, tags = [] } = spec;
  const key = ownKey(registry, owner, path);
  const type = 'dtype' in spec ? { dtype: spec.dtype, decay: false } : { decay: spec.decay ?? shape.length > 1 };
  const handle: Handle = { key, path, owner, kind, shape, depth, tags, init, ...type };
  registry.handles.set(key, handle);
  // Adapters beside each other are there to be used: what is trained always acts.
  if (kind === 'parameter' && adapter === null) registry.trained.set(key, owner);
  return handle;
}

export function addDerived(registry: ModelRegistry, owner: string, path: string, make: Derived['make']): Derived {
  const derived: Derived = { key: ownKey(registry, owner, path), path, owner, kind: 'derived', make };
  registry.derived.set(derived.key, derived);
  return derived;
}

/** The key of something that a method declares, once. */
function ownKey(registry: ModelRegistry, owner: string, path: string): string {
  const key = `${owner}/${path}`;
  if (!registry.handles.has(key) && !registry.derived.has(key)) return key;
  throw new TunesmithError('METHOD_CONFLICT', `${owner} declares "${path}" twice`, {
    hint: 'Two methods of one kind in a recipe need different targets.',
  });
}

/** A handle that is trained in a base weight's place, and starts as it. */
export function replaceByCopy(registry: ModelRegistry, own: Owner, base: Handle): Handle {
  const { path, shape, decay, depth } = base;
  const place = replacementKey(base, own.adapter);
  const other = registry.replacements.get(place);
  if (other !== undefined && other.kind !== 'replaced') {
    throw new TunesmithError('METHOD_CONFLICT', `${other.owner} and ${own.owner} each bring a whole "${path}"`, {
      hint: 'Only one can be read.',
    });
  }
  const copy = addMethodHandle(
    registry,
    { ...own, path, kind: 'parameter', depth },
    { shape, decay, init: ({ readBase }) => readBase(path) },
  );
  registry.replacements.set(place, copy);
  return copy;
}
