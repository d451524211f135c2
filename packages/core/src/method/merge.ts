import { TunesmithError } from '../errors/tunesmith-error.js';
import type { AdapterStack } from '../model/adapters.js';
import type { Model } from '../model/model.js';
import type { Replaced } from '../model/replaced.js';
import type { SiteBase, SiteOf } from '../model/site.js';
import type { Handle } from '../parameters/handle.js';
import type { ParameterStore } from '../parameters/parameter-store.js';
import { transpose } from '../storage/transpose.js';
import type { MergeHost, MergeResult, Method } from './method.js';

type MergedSite = SiteOf<'linear' | 'embedding'>;

export interface MergeOptions {
  /** Those of the model's adapters that are merged beside its methods, the first innermost; none if not said. */
  readonly adapters?: AdapterStack;
  /**
   * Whether weights that a codec keeps may be changed: what is merged into them is rounded to their codes, and most of a
   * small update lost. False if not said: merge into the full-precision base.
   */
  readonly allowLossy?: boolean;
}

/** What is merged, and into what; `sign` −1 takes it out. */
interface Merge extends Required<MergeOptions> {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly sign: 1 | -1;
}

/** The sites whose weights methods may change when merged. */
function mergeSites(model: Model): MergedSite[] {
  return model.sites.filter((site): site is MergedSite => site.kind === 'linear' || site.kind === 'embedding');
}

/** What is merged, innermost first: the methods, and those of the adapters named. */
function mergedMethods({ model, adapters }: Pick<Merge, 'model' | 'adapters'>): Method[] {
  return [...model.methods, ...adapters.flatMap((name) => model.adapters[name] ?? [])];
}

/** Whether a model's methods can be merged into its weights. */
export function canMerge(model: Model, { adapters = [] }: MergeOptions = {}): boolean {
  return whyNotMerged(model, adapters) === null;
}

/** What stands against merging, if anything does. @throws as `Model.under` does for the adapters */
function whyNotMerged(model: Model, adapters: AdapterStack): TunesmithError | null {
  model.under(adapters);
  const methods = mergedMethods({ model, adapters });
  for (const method of methods) {
    if (method.capabilities.mergeable) continue;
    return new TunesmithError(
      'CAPABILITY_MISSING',
      `the method "${method.name}" cannot be merged into the base weights`,
      {
        hint: 'Keep it as an adapter beside the model.',
      },
    );
  }
  for (const site of mergeSites(model)) {
    const method = methods.find(
      (each) => model.wrappedBy(site, adapters).includes(model.ownerOf(each)) && !each.mergeEmbedding,
    );
    if (site.kind !== 'embedding' || method === undefined) continue;
    return new TunesmithError('CAPABILITY_MISSING', `the method "${method.name}" cannot be merged into an embedding`, {
      where: site.path,
      hint: 'Keep it as an adapter beside the model.',
    });
  }
  return null;
}

/** @throws CAPABILITY_MISSING where merging would change weights that a codec keeps, and that was not allowed */
function checkLossy(merge: Merge): void {
  if (merge.allowLossy) return;
  const { model, parameters, adapters } = merge;
  const wrapped = sitesByWeight(merge);
  const changed = model.handles.find(
    (handle) =>
      parameters.encodingOf(handle) !== undefined &&
      (wrapped.has(handle) || model.resolve(handle, adapters) !== handle),
  );
  if (changed === undefined) return;
  throw new TunesmithError('CAPABILITY_MISSING', 'merging into quantised weights would lose most of what was learnt', {
    where: changed.path,
    got: `weights kept as ${parameters.encodingOf(changed)?.codec.name}`,
    hint: 'Merge into the full-precision base: load it without quantisation. Or allow the loss.',
  });
}

function mergeHost({ model, parameters }: Merge, method: Method): MergeHost {
  const byKey = new Map(model.handles.map((handle) => [handle.key, handle]));
  return {
    read: (handle) => parameters.read(handle),
    readArray: (handle) => parameters.readArray(handle),
    write: (handle, values) => parameters.write(handle, values),
    handle: (site: SiteBase, name) => byKey.get(`${model.ownerOf(method)}/${site.path}.${name}`),
  };
}

/** A base weight as a merged checkpoint holds it. */
interface MergedWeight {
  readonly handle: Handle;
  readonly values: Float32Array;
  readonly changed: boolean;
  /** False where taking the methods' effect out would not give the weight back. */
  readonly reversible: boolean;
}

/**
 * Every base weight with the methods' effect folded in, one at a time: what a merged checkpoint holds. The store's
 * weights stay as they are.
 */
export async function* mergedWeights(
  model: Model,
  parameters: ParameterStore,
  { adapters = [], allowLossy = false, sign = 1 }: MergeOptions & { readonly sign?: 1 | -1 } = {},
): AsyncGenerator<MergedWeight> {
  const merge: Merge = { model, parameters, adapters, allowLossy, sign };
  const reason = whyNotMerged(model, adapters);
  if (reason !== null) throw reason;
  checkLossy(merge);
  const sharing = sitesByWeight(merge);
  const biases = new Map(
    mergeSites(model).flatMap((site): [Handle, MergedSite][] =>
      site.kind === 'linear' && site.biasHandle !== null && model.wrappedBy(site, adapters).length > 0
        ? [[site.biasHandle, site]]
        : [],
    ),
  );
  // A refusal comes before the first weight.
  for (const [handle, sites] of sharing) {
    if (sites.length > 1) await foldShared(merge, handle, sites);
  }
  for (const handle of model.handles) {
    if (handle.owner !== 'base') continue;
    const sites = sharing.get(handle);
    const site = biases.get(handle);
    if (sites !== undefined) yield await foldShared(merge, handle, sites);
    else if (site !== undefined) yield await fold(merge, handle, site);
    else yield await unfolded(merge, handle);
  }
}

/** The linear and embedding sites of each weight that a method wraps at one of them. */
function sitesByWeight({ model, adapters }: Merge): Map<Handle, MergedSite[]> {
  const byWeight = new Map<Handle, MergedSite[]>();
  for (const site of mergeSites(model)) {
    byWeight.set(site.weightHandle, [...(byWeight.get(site.weightHandle) ?? []), site]);
  }
  for (const [handle, sites] of byWeight) {
    if (sites.every((site) => model.wrappedBy(site, adapters).length === 0)) byWeight.delete(handle);
  }
  return byWeight;
}

/** A weight that sites share can be merged where the methods make the same of it at each. */
async function foldShared(
  merge: Merge,
  handle: Handle,
  [first, ...others]: readonly MergedSite[],
): Promise<MergedWeight> {
  const merged = await fold(merge, handle, first as MergedSite);
  for (const other of others) {
    const { values } = await fold(merge, handle, other);
    if (values.every((value, index) => value === merged.values[index])) continue;
    throw new TunesmithError('CAPABILITY_MISSING', `"${first?.path}" and "${other.path}" share one weight`, {
      where: 'merge',
      hint: 'Merging would change both alike; untie the checkpoint first.',
    });
  }
  return merged;
}

/** A site's weight or bias with every method's effect folded in. */
async function fold(merge: Merge, handle: Handle, site: MergedSite): Promise<MergedWeight> {
  const { sign } = merge;
  const { values, ...base } = await unfolded(merge, handle);
  const isWeight = handle === site.weightHandle;
  const turned = isWeight && site.kind === 'linear' && site.layout === 'in-out' ? site : null;
  // [out, in], [rows, features], or [out]
  const folded = turned === null ? values : transpose(values, turned.inFeatures, turned.outFeatures);
  let { changed, reversible } = base;
  // What was folded in last comes out first: scaling and adding do not commute.
  const methods = mergedMethods(merge);
  for (const method of sign === 1 ? methods : methods.toReversed()) {
    const host = mergeHost(merge, method);
    const merged = await mergeAt(method, site, isWeight)(folded, host, sign);
    changed ||= merged !== undefined && merged !== false;
    reversible &&= merged !== 'irreversible';
  }
  const stored = turned === null ? folded : transpose(folded, turned.outFeatures, turned.inFeatures);
  return { handle, values: stored, changed, reversible };
}

type MergeInto = (values: Float32Array, host: MergeHost, sign: 1 | -1) => Promise<MergeResult>;

/** The method's hook for a site's weight or bias. */
function mergeAt(method: Method, site: MergedSite, isWeight: boolean): MergeInto {
  const none = Promise.resolve(false);
  if (site.kind === 'embedding') return (...all) => method.mergeEmbedding?.(site, ...all) ?? none;
  return isWeight
    ? (...all) => method.merge?.(site, ...all) ?? none
    : (...all) => method.mergeBias?.(site, ...all) ?? none;
}

async function unfolded({ model, parameters, adapters, sign }: Merge, handle: Handle): Promise<MergedWeight> {
  // Taken out of the merge, a module trained as a copy leaves the checkpoint's own weight.
  const resolved = sign === 1 ? model.resolve(handle, adapters) : handle;
  const values = await replacedValues(parameters, resolved);
  return { handle, values, changed: resolved !== handle, reversible: true };
}

/** What stands in a weight's place, on the host. */
async function replacedValues(parameters: ParameterStore, value: Handle | Replaced): Promise<Float32Array> {
  if (value.kind !== 'replaced') return Float32Array.from(await parameters.read(value));
  const weight = await replacedValues(parameters, value.of);
  if (value.merge === undefined) {
    throw new TunesmithError(
      'CAPABILITY_MISSING',
      `${value.owner} does not say what becomes of the weight on the host`,
      {
        where: value.path,
      },
    );
  }
  await value.merge(weight, (handle) => parameters.readArray(handle));
  return weight;
}

/** A merge that can be taken out again. */
export interface Merged {
  /**
   * Takes the methods' effect out: exact for weights that were replaced and for merges that can't be reversed, which are
   * kept; to float32 rounding for the others.
   */
  unmerge(): Promise<void>;
}

/** Folds the methods' effect into the store's base weights, to be run then without the methods. */
export async function mergeInPlace(
  model: Model,
  parameters: ParameterStore,
  options: MergeOptions = {},
): Promise<Merged> {
  const restores: (() => Promise<void>)[] = [];
  for await (const { handle, values, changed, reversible } of mergedWeights(model, parameters, options)) {
    if (!changed) continue;
    const isEncoded = parameters.encodingOf(handle) !== undefined;
    if (isEncoded || model.resolve(handle, options.adapters) !== handle || !reversible) {
      restores.push(await keep(parameters, handle));
    }
    await parameters.write(handle, values);
  }
  return {
    async unmerge() {
      for await (const { handle, values, changed } of mergedWeights(model, parameters, { ...options, sign: -1 })) {
        if (changed) await parameters.write(handle, values);
      }
      for (const restore of restores) await restore();
    },
  };
}

/** What puts a weight back as it is now: its values, or what a codec keeps of them. */
async function keep(parameters: ParameterStore, handle: Handle): Promise<() => Promise<void>> {
  const encoding = parameters.encodingOf(handle);
  if (encoding !== undefined) {
    const parts = await parameters.readParts(handle);
    return async () => parameters.writeParts(handle, encoding, parts);
  }
  const original = Float32Array.from(await parameters.read(handle));
  return () => parameters.write(handle, original);
}
