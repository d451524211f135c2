import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Method, PatchedModel, Patcher } from '../method/method.js';
import type { StageState } from '../method/stage.js';
import type { Handle, IndexSpec, ParameterSpec } from '../parameters/handle.js';
import { addDerived, addMethodHandle, type ModelRegistry, replaceByCopy, siteKey } from './registry.js';
import { selectSites } from './selector.js';
import type { AnySite, MethodScope, Middleware, SiteKind, SiteOf } from './site.js';
import { isInside } from './task-head.js';

/** The patcher that one method gets: everything it declares is its own. */
export function createPatcher(
  registry: ModelRegistry,
  model: PatchedModel,
  { name: method }: Method,
  stage: StageState | null,
): Patcher {
  const scope = (prefix: string, depth: number | null): MethodScope => {
    const add = (kind: Handle['kind'], name: string, spec: ParameterSpec | IndexSpec): Handle =>
      addMethodHandle(registry, { owner: method, path: prefix + name, kind, depth }, spec);
    return {
      parameter: (name, spec) => add('parameter', name, spec),
      buffer: (name, spec) => add('buffer', name, spec),
      derived(name, define) {
        const { parameter, buffer } = scope(`${prefix}${name}.`, depth);
        const own = (handle: Handle): Handle => {
          registry.onlyDerivedFrom.add(handle.key);
          return handle;
        };
        const make = define({
          parameter: (inner, spec) => own(parameter(inner, spec)),
          buffer: (inner, spec) => own(buffer(inner, spec)),
        });
        return addDerived(registry, method, prefix + name, make);
      },
    };
  };
  const sitesOf = <Kind extends SiteKind>(kinds: Kind | readonly Kind[]): SiteOf<Kind>[] => {
    const wanted: readonly SiteKind[] = typeof kinds === 'string' ? [kinds] : kinds;
    return [...registry.sites.values()].filter((site): site is SiteOf<Kind> => wanted.includes(site.kind));
  };
  const isHead = (path: string): boolean => registry.headModules.some((module) => isInside(path, module));
  const weights = [...registry.handles.values()].filter(({ owner }) => owner === 'base');
  /** The weights that a method chooses, but for a head that is trained whole, as a copy: that is the engine's. */
  const selectWeights = (select: (handle: Handle) => boolean): Handle[] => {
    const selected = weights.filter(select);
    if (selected.length > 0) return selected.filter(({ path }) => !isHead(path));
    throw new TunesmithError('NAME_UNKNOWN', `${method} selects no weight of this model to train`, { where: method });
  };

  return {
    ...scope('', null),
    model,
    stage,
    weights,
    sites: sitesOf,
    wrap(kind, select, patch) {
      // PEFT's rule too: an adapter never goes on a module that is trained and saved whole.
      const free = sitesOf(kind).filter(({ path }) => !isHead(path));
      return selectSites(free, select, `${method}'s targets`).map((site) => {
        const patchable = { ...site, ...scope(`${site.path}.`, site.depth) } as unknown as Parameters<typeof patch>[0];
        const layers = registry.wraps.get(siteKey(site)) ?? [];
        layers.push({ method, middleware: patch(patchable) as unknown as Middleware<SiteKind> });
        registry.wraps.set(siteKey(site), layers);
        return patchable;
      });
    },
    reserve(count, embedding) {
      registry.virtual.push({ count, embedding });
    },
    shiftPositions(count) {
      registry.positionShift += count;
    },
    train(select) {
      const selected = selectWeights(select);
      for (const { key } of selected) registry.trained.set(key, method);
      return selected;
    },
    trainCopies: (select) => selectWeights(select).map((base) => replaceByCopy(registry, method, base)),
    replace(select, make) {
      return selectWeights(select).map((handle) => {
        const { parameter, buffer } = scope(`${handle.path}.`, handle.depth);
        registry.replacements.set(handle.key, {
          kind: 'replaced',
          key: `${method}/${handle.path}`,
          path: handle.path,
          owner: method,
          of: registry.replacements.get(handle.key) ?? handle,
          ...make(handle, { parameter, buffer }),
        });
        return handle;
      });
    },
    trainModules(names) {
      const modules = [...registry.sites.values()].filter((site) => baseHandles(site).length > 0);
      const selected = selectSites(modules, { include: names }, `${method}'s modulesToSave`);
      return selected.flatMap((site) => baseHandles(site).map((base) => replaceUnshared(registry, method, site, base)));
    },
  };
}

function baseHandles(site: AnySite): Handle[] {
  if (!('weightHandle' in site)) return [];
  const { weightHandle } = site;
  const bias = 'biasHandle' in site ? site.biasHandle : null;
  return bias === null ? [weightHandle] : [weightHandle, bias];
}

function replaceUnshared(registry: ModelRegistry, method: string, site: AnySite, base: Handle): Handle {
  const tied = [...registry.sites.values()].find(
    (other) => other.path !== site.path && 'weightHandle' in other && other.weightHandle === base,
  );
  if (tied !== undefined) {
    throw new TunesmithError('CAPABILITY_MISSING', `"${site.path}" and "${tied.path}" share one weight`, {
      where: `${method}'s modulesToSave`,
      hint: 'A copy of one would untie them wherever the adapter is loaded; leave it out or untie the checkpoint first.',
    });
  }
  return replaceByCopy(registry, method, base);
}
