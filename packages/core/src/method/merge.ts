import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Model } from '../model/model.js';
import type { LinearSite, SiteBase } from '../model/site.js';
import type { Handle } from '../parameters/handle.js';
import type { ParameterStore } from '../parameters/parameter-store.js';
import type { MergeHost, Method } from './method.js';

/** The base weights that methods change when merged. */
function mergedSites(model: Model): LinearSite[] {
  return model.sites.filter((site): site is LinearSite => site.kind === 'linear' && model.wrappedBy(site).length > 0);
}

function checkMergeable(model: Model): void {
  for (const method of model.methods) {
    if (method.capabilities.mergeable) continue;
    throw new TunesmithError(
      'CAPABILITY_MISSING',
      `the method "${method.name}" cannot be merged into the base weights`,
      {
        hint: 'Keep it as an adapter beside the model.',
      },
    );
  }
  for (const site of mergedSites(model)) {
    const shared = model.sites.find(
      (other) => other.path !== site.path && 'weightHandle' in other && other.weightHandle === site.weightHandle,
    );
    if (shared === undefined) continue;
    throw new TunesmithError('CAPABILITY_MISSING', `"${site.path}" and "${shared.path}" share one weight`, {
      where: 'merge',
      hint: 'Merging would change both; untie the checkpoint first.',
    });
  }
}

function mergeHost(model: Model, parameters: ParameterStore, method: Method): MergeHost {
  const byKey = new Map(model.handles.map((handle) => [handle.key, handle]));
  return {
    read: (handle) => parameters.read(handle),
    write: (handle, values) => parameters.write(handle, values),
    handle: (site: SiteBase, name) => byKey.get(`${method.name}/${site.path}.${name}`),
  };
}

/** `[rows, columns]` → `[columns, rows]`. */
function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = values[row * columns + column] as number;
  }
  return turned;
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
  sign: 1 | -1 = 1,
): AsyncGenerator<MergedWeight> {
  checkMergeable(model);
  const weights = new Map(mergedSites(model).map((site) => [site.weightHandle.key, site]));
  const biases = new Map(mergedSites(model).map((site) => [site.biasHandle?.key, site]));
  // What was folded in last comes out first: scaling and adding do not commute.
  const methods = sign === 1 ? model.methods : model.methods.toReversed();
  for (const handle of model.handles) {
    if (handle.owner !== 'base') continue;
    // Taken out of the merge, a module trained as a copy leaves the checkpoint's own weight.
    const resolved = sign === 1 ? model.resolve(handle) : handle;
    const values = Float32Array.from(await parameters.read(resolved));
    const site = weights.get(handle.key) ?? biases.get(handle.key);
    let changed = resolved !== handle;
    if (site === undefined) {
      yield { handle, values, changed, reversible: true };
      continue;
    }
    const { inFeatures, outFeatures } = site;
    const isWeight = handle === site.weightHandle;
    const turned = isWeight && site.layout === 'in-out';
    const folded = turned ? transpose(values, inFeatures, outFeatures) : values; // [out, in], or [out]
    let reversible = true;
    for (const method of methods) {
      const host = mergeHost(model, parameters, method);
      const merged = await (isWeight
        ? method.merge?.(site, folded, host, sign)
        : method.mergeBias?.(site, folded, host, sign));
      changed ||= merged !== undefined && merged !== false;
      reversible &&= merged !== 'irreversible';
    }
    yield { handle, values: turned ? transpose(folded, outFeatures, inFeatures) : folded, changed, reversible };
  }
}

/** A merge that can be taken out again. */
export interface Merged {
  /**
   * Takes the methods' effect out: exact for modules trained as copies and for merges that can't be reversed, whose
   * weights are kept; to float32 rounding for the others.
   */
  unmerge(): Promise<void>;
}

/** Folds the methods' effect into the store's base weights, to be run then without the methods. */
export async function mergeInPlace(model: Model, parameters: ParameterStore): Promise<Merged> {
  const replaced: { handle: Handle; original: Float32Array }[] = [];
  for await (const { handle, values, changed, reversible } of mergedWeights(model, parameters)) {
    if (!changed) continue;
    if (model.resolve(handle) !== handle || !reversible) {
      replaced.push({ handle, original: Float32Array.from(await parameters.read(handle)) });
    }
    await parameters.write(handle, values);
  }
  return {
    async unmerge() {
      for await (const { handle, values, changed } of mergedWeights(model, parameters, -1)) {
        if (changed) await parameters.write(handle, values);
      }
      for (const { handle, original } of replaced) await parameters.write(handle, original);
    },
  };
}
