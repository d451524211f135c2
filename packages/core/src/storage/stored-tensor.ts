import type { HostTensor } from '../program/backend.js';
import type { Named } from '../tensor/tfjs.js';
import type { WeightCodec } from './weight-codec.js';

/** Element types a checkpoint may hold, by safetensors' names. */
export type StoredDtype = 'F32' | 'F16' | 'BF16' | 'F64' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL';

/** A tensor as a checkpoint holds it: row-major, little-endian, read only when asked for. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /** The tensor's bytes, `elements × bytes per element` of them, in memory that is the caller's. */
  read(): Promise<Uint8Array>;
  /** Of a quantised checkpoint, whose matrices are `[out, in]` even where the family's are not. */
  readonly isOutIn?: boolean;
  /** What the checkpoint holds in place of the values, which `read` decodes. */
  readonly codes?: StoredCodes;
}

/** A matrix as the codec of a quantised checkpoint keeps it. */
export interface StoredCodes {
  readonly codec: WeightCodec;
  /** The codec's parts, in memory that is the caller's. */
  read(): Promise<Named<HostTensor>>;
}

/** Named tensors of a model or an adapter, wherever they lie. */
export interface TensorSource {
  names(): string[];
  get(name: string): StoredTensor | undefined;
}
