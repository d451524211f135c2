/** Element types a checkpoint may hold, by safetensors' names. */
export type StoredDtype = 'F32' | 'F16' | 'BF16' | 'F64' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL';

/** A tensor as a checkpoint holds it: row-major, little-endian, read only when asked for. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /** The tensor's bytes, `elements × bytes per element` of them, in memory that is the caller's. */
  read(): Promise<Uint8Array>;
}

/** Named tensors of a model or an adapter, wherever they lie. */
export interface TensorSource {
  names(): string[];
  get(name: string): StoredTensor | undefined;
}
