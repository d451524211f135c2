import type { Handle, HostArray } from '../parameters/handle.js';
import type { Shape } from '../tensor/tfjs.js';

/** Whose files an adapter is kept in. */
export type AdapterFormat = 'peft' | 'adapterhub';

/** What an adapter folder holds: a config and the tensors that the method trained, by their names in that format. */
export interface Adapter<Data extends HostArray = Float32Array> {
  /** PEFT's if not said. */
  readonly format?: AdapterFormat;
  /** Null where PEFT has no such method. */
  readonly config: Record<string, unknown> | null;
  readonly tensors: readonly AdapterTensor<Data>[];
}

export interface AdapterTensor<Data extends HostArray = Float32Array> {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Data;
}

/** One of several adapters of a method that are to become one. */
export interface WeightedAdapter<Config> {
  /** What messages call it. */
  readonly name: string;
  readonly config: Config;
  /** What its file holds. */
  readonly tensors: readonly AdapterTensor[];
  /** May be negative, to take its effect away. */
  readonly weight: number;
}

/** What came of them: an adapter of the same method. */
export interface CombinedAdapter<Config> {
  readonly config: Config;
  readonly tensors: readonly AdapterTensor[];
}

/** What a method sees of its model where its file is not one tensor a handle. */
export interface AdapterHost {
  /** A base weight or one of the method's own handles, by path. */
  handle(path: string): Handle | undefined;
  /** A handle's value, as float32 in row-major order. */
  read(handle: Handle): Promise<Float32Array>;
}
