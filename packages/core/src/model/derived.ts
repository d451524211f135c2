import type { Tensor } from '../tensor/tfjs.js';
import type { ModelRegistry } from './registry.js';
import type { Trace } from './trace.js';

/**
 * A value that is computed once a run from parameters and read by any number of sites, such as a projected prefix. The
 * parameters that it is computed from belong to it alone, and it stands for them in an adapter file.
 */
export interface Derived {
  /** Unique among the model's handles and derived values. */
  readonly key: string;
  /** As a handle's: below a site, or without one for what all blocks read. */
  readonly path: string;
  readonly owner: string;
  readonly kind: 'derived';
  /** Has no rows of the batch, so that it can draw no dropout. */
  make(t: Trace): Tensor;
}

/** What a block of the model reads besides its input: values that training moves, and derived ones. */
export function readByBlock({ handles, derived, ...registry }: ModelRegistry, block: string) {
  const sites = [...registry.sites.values()];
  const isRead = ({ path }: { readonly path: string }): boolean =>
    path.startsWith(`${block}.`) || !sites.some((site) => site.path !== '' && path.startsWith(`${site.path}.`));
  return [
    ...[...handles.values()].filter(({ key }) => registry.trained.has(key) && !registry.onlyDerivedFrom.has(key)),
    ...derived.values(),
  ].filter(isRead);
}
