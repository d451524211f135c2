import type { RandomKey } from '../random/mixer.js';
import type { Shape } from '../tensor/tfjs.js';

/** What an initialiser may use: the parameter's shape, a key of its own, and the base weight of its site. */
export interface InitContext {
  readonly shape: Shape;
  readonly key: RandomKey;
  /** A base weight's current value by its path, as float32 in row-major order. */
  readBase(path: string): Promise<Float32Array>;
  /** The checkpoint's own value of a base weight that a codec keeps; null for one that nothing was taken from. */
  readOriginal(path: string): Promise<Float32Array | null>;
  /** The first value of a handle that was declared before this one: how one value is made from another. */
  read(handle: Handle): Promise<Float32Array>;
  /**
   * A text as the model's token ids, special tokens included.
   * @throws CAPABILITY_MISSING where the model was loaded without a tokenizer
   */
  tokenize(text: string): ArrayLike<number>;
}

/** A handle's values on the host, in row-major order. */
export type HostArray = Float32Array | Int32Array;

/** Fills a new parameter. Deterministic in the key, so that a seed reproduces a run. */
export type Initializer = (context: InitContext) => Float32Array | Promise<Float32Array>;

export interface ParameterSpec {
  readonly shape: Shape;
  readonly init: Initializer;
  /** Whether weight decay applies; by default to everything with two or more dimensions. */
  readonly decay?: boolean;
  /** Words a group may select by, such as `lora_B`. */
  readonly tags?: readonly string[];
}

/** A buffer of whole numbers, such as positions in a weight: int32 from the store to the file. */
export interface IndexSpec extends Pick<ParameterSpec, 'shape' | 'tags'> {
  readonly dtype: 'int32';
  readonly init: (context: InitContext) => Int32Array | Promise<Int32Array>;
}

/**
 * A parameter or buffer of the model, wherever its value lives. `Trace.value` is the only way to read one in a program.
 */
export interface Handle {
  /** Unique among the model's handles, and the name of its value in a tensor store. */
  readonly key: string;
  /** The Hugging Face path, such as `model.layers.0.self_attn.q_proj.lora_A.weight`. */
  readonly path: string;
  /** The method that declared it, or `base` for the checkpoint's own weights. */
  readonly owner: string;
  readonly kind: 'parameter' | 'buffer';
  readonly shape: Shape;
  /** Float32 where absent. */
  readonly dtype?: 'int32';
  readonly decay: boolean;
  /** The index of the block that it lies in, or null outside the blocks. */
  readonly depth: number | null;
  readonly tags: readonly string[];
  /** For a base weight, what it starts as where the checkpoint lacks it: a head. Absent where it must not. */
  readonly init?: Initializer | IndexSpec['init'];
}

export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** An array of zeros for a handle. */
export function zeroArray({ shape, dtype }: Pick<Handle, 'shape' | 'dtype'>): HostArray {
  return dtype === 'int32' ? new Int32Array(elementCount(shape)) : new Float32Array(elementCount(shape));
}
