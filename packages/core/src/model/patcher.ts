import { TunesmithError } from '../errors/tunesmith-error.js';
import type { PatchedModel, Patcher } from '../method/method.js';
import type { StageState } from '../method/stage.js';
import type { Handle, IndexSpec, ParameterSpec } from '../parameters/handle.js';
import { cannotStandBeside, type Owner } from './adapters.js';
import { addDerived, addMethodHandle, type ModelRegistry, replaceByCopy, replacementKey, siteKey } from './registry.js';
import { selectSites } from './selector.js';
import type { AnySite, MethodScope, Middleware, SiteKind, SiteOf } from './site.js';
import { isInside } from './task-head.js';

/** The patcher that one method gets: everything it declares is its own. */
export function createPatcher(
  registry: ModelRegistry,
  model: PatchedModel,
  { method, own, stage }: { method: string; own: Owner; stage: StageState | null },
): Patcher {
  const scope = (prefix: string, depth: number | null): MethodScope => {
    const add = (kind: Handle['kind'], name: string, spec: ParameterSpec | IndexSpec): Handle =>
      addMethodHandle(registry, { ...own, path: prefix + name, kind, depth }, spec);
    return {
      parameter: (name, spec) => add('parameter', name, spec),
      buffer: (name, spec) => add('buffer', name, spec),
      derived(name, define) {
        const { parameter, buffer } = scope(`${prefix}${name}.`, depth);
        const alone = (handle: Handle): Handle => {
          registry.onlyDerivedFrom.add(handle.key);
          return handle;
        };
        const make = define({
          parameter: (inner, spec) => alone(parameter(inner, spec)),
          buffer: (inner, spec) => alone(buffer(inner, spec)),
        });
        return addDerived(registry, own.owner, prefix + name, make);
      },
    };
  };
  // PEFT's rule too: an adapter never goes on a module that is trained and saved whole.
  const isHead = (path: string): boolean => registry.headModules.some((module) => isInside(path, module));
  const sitesOf = <Kind extends SiteKind>(kinds: Kind | readonly Kind[]): SiteOf<Kind>[] => {
    const wanted: readonly SiteKind[] = typeof kinds === 'string' ? [kinds] : kinds;
    return [...registry.sites.values()].filter(
      (site): site is SiteOf<Kind> => wanted.includes(site.kind) && !isHead(site.path),
    );
  };
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
    trained: [...registry.handles.values()].filter(({ key }) => registry.trained.has(key)),
    sites: sitesOf,
    wrap(kind, select, patch) {
      return selectSites(sitesOf(kind), select, `${method}'s targets`).map((site) => {
        const patchable = { ...site, ...scope(`${site.path}.`, site.depth) } as unknown as Parameters<typeof patch>[0];
        const layers = registry.wraps.get(siteKey(site)) ?? [];
        layers.push({ ...own, middleware: patch(patchable) as unknown as Middleware<SiteKind> });
        registry.wraps.set(siteKey(site), layers);
        return patchable;
      });
    },
    reserve(count, embedding) {
      registry.virtual.push({ adapter: own.adapter, count, embedding });
    },
    shiftPositions(count) {
      registry.shifts.push({ adapter: own.adapter, count });
    },
    train(select) {
      if (own.adapter !== null) throw cannotStandBeside(own.adapter, method, "trains the base's own weights");
      const selected = selectWeights(select);
      for (const { key } of selected) registry.trained.set(key, own.owner);
      return selected;
    },
    trainCopies: (select) => selectWeights(select).map((base) => replaceByCopy(registry, own, base)),
    replace(select, make) {
      return selectWeights(select).map((handle) => {
        const { parameter, buffer } = scope(`${handle.path}.`, handle.depth);
        const place = replacementKey(handle, own.adapter);
        registry.replacements.set(place, {
          kind: 'replaced',
          key: `${own.owner}/${handle.path}`,
          path: handle.path,
          owner: own.owner,
          of: registry.replacements.get(place) ?? registry.replacements.get(handle.key) ?? handle,
          ...make(handle, { parameter, buffer }),
        });
        return handle;
      });
    },
    trainModules(names) {
      const modules = [...registry.sites.values()].filter((site) => baseHandles(site).length > 0);
      const selected = selectSites(modules, { include: names }, `${method}'s modulesToSave`);
      for (const site of selected) for (const base of baseHandles(site)) checkUnshared(registry, method, site, base);
      return selected.flatMap((site) => baseHandles(site).map((base) => replaceByCopy(registry, own, base)));
    },
  };
}

function baseHandles(site: AnySite): Handle[] {
  if (!('weightHandle' in site)) return [];
  const { weightHandle } = site;
  const bias = 'biasHandle' in site ? site.biasHandle : null;
  return bias === null ? [weightHandle] : [weightHandle, bias];
}

function checkUnshared(registry: ModelRegistry, method: string, site: AnySite, base: Handle): void {
  const tied = [...registry.sites.values()].find(
    (other) => other.path !== site.path && 'weightHandle' in other && other.weightHandle === base,
  );
  if (tied === undefined) return;
  throw new TunesmithError('CAPABILITY_MISSING', `"${site.path}" and "${tied.path}" share one weight`, {
    where: `${method}'s modulesToSave`,
    hint: 'A copy of one would untie them wherever the adapter is loaded; leave it out or untie the checkpoint first.',
  });
}
