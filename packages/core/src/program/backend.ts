import type { RandomContext } from '../random/keep-mask.js';
import type { Named, Shape } from '../tensor/tfjs.js';
import type { Program, TensorSpec } from './program.js';

/**
 * A tensor in host memory. `float16` and `bfloat16` hold raw 16-bit patterns; programs read them as float32. `uint8` and
 * `int8` are what codes are stored as; programs read them as int32.
 */
export type HostTensor =
  | { readonly dtype: 'float32'; readonly shape: Shape; readonly data: Float32Array }
  | { readonly dtype: 'int32'; readonly shape: Shape; readonly data: Int32Array }
  | { readonly dtype: 'bool' | 'uint8'; readonly shape: Shape; readonly data: Uint8Array }
  | { readonly dtype: 'int8'; readonly shape: Shape; readonly data: Int8Array }
  | { readonly dtype: 'float16' | 'bfloat16'; readonly shape: Shape; readonly data: Uint16Array };

/** Shape and type of a tensor in host memory. */
export type StoredSpec = Pick<HostTensor, 'shape' | 'dtype'>;

/**
 * Owns every tensor that outlives a run: frozen weights, trained parameters, optimizer state, buffers, caches.
 * Executables borrow them by name, so that training, evaluation and generation share one copy.
 */
export interface TensorStore {
  /** Adds a tensor, or replaces one by another of equal shape and type. The store takes the array over. */
  set(name: string, tensor: HostTensor): void;
  /** A copy of the current value. Throws NAME_UNKNOWN for a name that was never set. */
  get(name: string): Promise<HostTensor>;
  has(name: string): boolean;
  names(): string[];
  delete(name: string): void;
  /** Frees everything. Executables compiled against the store must be disposed before. */
  dispose(): void;
}

export interface RunOptions {
  /** Required by programs that draw dropout masks. */
  readonly random?: RandomContext;
}

/** A program bound to a store, ready to run. */
export interface Executable {
  /** Facts for `plan` and the bench: nodes, milliseconds to trace and to open the session. */
  readonly info: Readonly<Named<number>>;
  /** Runs once: checks every input's name, type and length, applies the updates to the store, returns the outputs. */
  run(inputs: Named<HostTensor>, options?: RunOptions): Promise<Named<HostTensor>>;
  /** Frees what the executable owns; the store stays. A second call does nothing. */
  dispose(): Promise<void>;
}

/** What a program will take, known without running it. */
export interface ProgramEstimate {
  readonly nodes: number;
  /** Intermediate values at their peak. */
  readonly activationBytes: number;
  /** The next values of what the program updates. */
  readonly updateBytes: number;
  /** What it is fed beside stored tensors and the batch: dropout masks and large constants. */
  readonly fedBytes: number;
  /** Floating-point operations of its matrix products. */
  readonly matmulFlops: number;
  readonly outputs: Readonly<Named<TensorSpec>>;
}

/** Makes programs executable. */
export interface Backend {
  /** `onnx` or `tfjs`, and the device: `onnx-cpu`, `onnx-webgpu`, `tfjs-cpu`, `tfjs-tensorflow`. */
  readonly name: string;
  createStore(): TensorStore;
  /** Throws OP_UNSUPPORTED, with the op's name, shapes and site, where the program uses what the backend lacks. */
  compile(program: Program, store: TensorStore): Promise<Executable>;
  /** What a program would take over stored tensors of these shapes. Absent where programs are not known before they run. */
  estimate?(program: Program, stored: ReadonlyMap<string, StoredSpec>): ProgramEstimate;
}
