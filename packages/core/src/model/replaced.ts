import type { Handle, HostArray } from '../parameters/handle.js';
import type { Tensor } from '../tensor/tfjs.js';
import type { MethodScope } from './site.js';
import type { Trace } from './trace.js';

/** What a base weight becomes: the same function in programs and, for merging, on the host. */
export interface Replacement {
  /** The weight that sites see, of the weight that was there; of its shape. */
  value(weight: Tensor, t: Trace): Tensor;
  /** The same on the host, in place: what merging writes. Required of a mergeable method. */
  merge?(weight: Float32Array, read: (handle: Handle) => Promise<HostArray>): Promise<void>;
}

/** Declares what replaces one base weight, with a scope below the weight's path for what that takes. */
export type Replace = (weight: Handle, scope: Omit<MethodScope, 'derived'>) => Replacement;

/**
 * A function of a base weight that every site reads in the weight's place. Computed where it is read, at most once: a
 * recomputed block computes it again, from the parameters that it lists.
 */
export interface Replaced extends Replacement {
  readonly kind: 'replaced';
  readonly key: string;
  readonly path: string;
  readonly owner: string;
  /** What it is a function of: the weight itself, or what another method had put in its place. */
  readonly of: Handle | Replaced;
}
