import {
  didYouMean,
  fromFloat32,
  type HostTensor,
  type Shape,
  type TensorSpec,
  type TensorStore,
  TunesmithError,
  toFloat32,
} from '@tunesmith/core';
import { elementCount } from '../trace/graph.js';

/** A tensor as sessions see it: `dtype` is what was set, `type` what `data` holds. */
export interface StoredValue {
  readonly dtype: HostTensor['dtype'];
  readonly type: StoredType;
  readonly shape: Shape;
  readonly data: HostTensor['data'];
}

export type StoredType = Exclude<HostTensor['dtype'], 'bfloat16'>;

/**
 * Tensors in host memory, which sessions on the CPU read in place.
 * float16 stays 16 bits wide and is widened inside the graph. ONNX Runtime takes no bfloat16 from JavaScript, so it is
 * held as float32, and costs as much.
 */
export class OnnxStore implements TensorStore {
  readonly #values = new Map<string, StoredValue>();
  #last: Promise<unknown> = Promise.resolve();

  set(name: string, tensor: HostTensor): void {
    const { dtype, shape } = tensor;
    const { length } = tensor.data;
    if (length !== elementCount(shape)) {
      throw new TunesmithError('SHAPE_MISMATCH', 'a stored tensor has another length than its shape says', {
        where: name,
        expected: `${elementCount(shape)} elements for [${shape.join(',')}]`,
        got: `${length}`,
      });
    }
    const present = this.#values.get(name);
    if (present !== undefined && describe(present) !== describe(tensor)) {
      throw new TunesmithError(
        'SHAPE_MISMATCH',
        'a stored tensor can only be replaced by one of equal shape and type',
        {
          where: name,
          expected: describe(present),
          got: describe(tensor),
          hint: 'Delete it first to give the name to another tensor.',
        },
      );
    }
    const type = dtype === 'bfloat16' ? 'float32' : dtype;
    this.#values.set(name, {
      dtype,
      type,
      shape,
      data: dtype === 'bfloat16' ? widen(tensor.data) : unshared(tensor.data),
    });
  }

  /** Waits for the runs that were asked for earlier. */
  get(name: string): Promise<HostTensor> {
    return this.exclusive(async () => {
      const { dtype, shape, data } = this.value(name);
      return { dtype, shape, data: dtype === 'bfloat16' ? narrow(data as Float32Array) : data.slice() } as HostTensor;
    });
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  names(): string[] {
    return [...this.#values.keys()];
  }

  delete(name: string): void {
    this.#values.delete(name);
  }

  dispose(): void {
    this.#values.clear();
  }

  /** The live tensor. Throws NAME_UNKNOWN. */
  value(name: string): StoredValue {
    const value = this.#values.get(name);
    if (value !== undefined) return value;
    throw new TunesmithError('NAME_UNKNOWN', `the store holds no tensor '${name}'`, {
      hint: didYouMean(name, this.names()),
    });
  }

  /** The types that programs see. */
  specs(): Map<string, TensorSpec> {
    return new Map([...this.#values].map(([name, { type, shape }]) => [name, { shape, dtype: programDtype(type) }]));
  }

  /** Puts another array behind a name and returns the one that was there. */
  swap(name: string, data: HostTensor['data']): HostTensor['data'] {
    const value = this.value(name);
    this.#values.set(name, { ...value, data });
    return value.data;
  }

  /** Runs `work` after all that was asked for earlier: two runs never read and replace the same tensors at a time. */
  exclusive<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function programDtype(type: StoredType): TensorSpec['dtype'] {
  return type === 'float16' ? 'float32' : type;
}

function describe({ dtype, shape }: Pick<HostTensor, 'dtype' | 'shape'>): string {
  return `${dtype}[${shape.join(',')}]`;
}

function widen({ buffer, byteOffset, byteLength }: HostTensor['data']): Float32Array {
  return toFloat32('BF16', new Uint8Array(buffer, byteOffset, byteLength));
}

function narrow(values: Float32Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = fromFloat32('BF16', values);
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}

/** ONNX Runtime refuses memory that is shared between threads. */
function unshared(data: HostTensor['data']): HostTensor['data'] {
  return typeof SharedArrayBuffer !== 'undefined' && data.buffer instanceof SharedArrayBuffer ? data.slice() : data;
}
