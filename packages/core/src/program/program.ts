import type { NoiseScope } from '../random/uniform-noise.js';
import type { Dtype, Named, Shape, Tensor } from '../tensor/tfjs.js';

export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/** What a program's body sees of the world. Everything it reads passes through here; it captures no tensor. */
export interface ProgramIO {
  /** A value fed at every run, one of the program's declared inputs. */
  input(name: string): Tensor;
  /** The current value of a stored tensor, always float32, int32 or bool, however it is stored. */
  read(name: string): Tensor;
  /**
   * A dropout mask (bool, 1 keeps), drawn anew for every run from (seed, step, row, site).
   * `shape[0]` counts the batch's rows; a site that draws twice uses two names.
   */
  keepMask(site: string, shape: Shape, rate: number): Tensor;
  /**
   * Noise in [0, 1) (float32), drawn anew for every run from (seed, step, site), and the row where it belongs to rows:
   * `shape[0]` counts them then. A site that draws twice uses two names.
   */
  uniform(site: string, shape: Shape, scope: NoiseScope): Tensor;
}

export interface ProgramResult {
  /** Returned to the host after every run: keep them small. */
  readonly outputs: Named<Tensor>;
  /** New values of stored tensors, by name; shapes and types stay as they were. */
  readonly updates?: Named<Tensor>;
}

/**
 * A pure function over tensors with its signature. A backend makes it executable: by tracing `body` once into a graph,
 * or by running it eagerly each time. `body` must do the same ops whenever it is called.
 */
export interface Program {
  readonly name: string;
  readonly inputs: Named<TensorSpec>;
  body(io: ProgramIO): ProgramResult;
}
