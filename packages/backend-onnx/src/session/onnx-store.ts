import {
  didYouMean,
  type HostTensor,
  type TensorSpec,
  type TensorStore,
  TunesmithError,
  toFloat32,
} from '@tunesmith/core';
import { describeSpec, elementCount } from '../trace/graph.js';

/**
 * Tensors in host memory, which sessions on the CPU read in place.
 * float16 stays 16 bits wide and is widened inside the graph; ONNX Runtime takes no bfloat16 from JavaScript, so it is
 * kept as float32, which holds every bfloat16 exactly.
 */
export class OnnxStore implements TensorStore {
  readonly #tensors = new Map<string, HostTensor>();
  #last: Promise<unknown> = Promise.resolve();

  set(name: string, tensor: HostTensor): void {
    const kept = unshared(widened(tensor));
    const { length } = kept.data;
    if (length !== elementCount(kept.shape)) {
      throw new TunesmithError('SHAPE_MISMATCH', 'a stored tensor has another length than its shape says', {
        where: name,
        expected: `${elementCount(kept.shape)} elements for [${kept.shape.join(',')}]`,
        got: `${length}`,
      });
    }
    const present = this.#tensors.get(name);
    if (present !== undefined && describeStored(present) !== describeStored(kept)) {
      throw new TunesmithError(
        'SHAPE_MISMATCH',
        'a stored tensor can only be replaced by one of equal shape and type',
        {
          where: name,
          expected: describeStored(present),
          got: describeStored(kept),
          hint: 'Delete it first to give the name to another tensor.',
        },
      );
    }
    this.#tensors.set(name, kept);
  }

  get(name: string): Promise<HostTensor> {
    // A getter that is not async throws NAME_UNKNOWN synchronously; callers await a promise either way.
    return this.exclusive(async () => {
      const tensor = this.tensor(name);
      return { ...tensor, data: tensor.data.slice() } as HostTensor;
    });
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  names(): string[] {
    return [...this.#tensors.keys()];
  }

  delete(name: string): void {
    this.#tensors.delete(name);
  }

  dispose(): void {
    this.#tensors.clear();
  }

  /** The live tensor. Throws NAME_UNKNOWN. */
  tensor(name: string): HostTensor {
    const tensor = this.#tensors.get(name);
    if (tensor !== undefined) return tensor;
    throw new TunesmithError('NAME_UNKNOWN', `the store holds no tensor "${name}"`, {
      hint: didYouMean(name, this.names()),
    });
  }

  /** The types that programs see. */
  specs(): Map<string, TensorSpec> {
    return new Map([...this.#tensors].map(([name, { dtype, shape }]) => [name, { shape, dtype: programDtype(dtype) }]));
  }

  /** Puts another array behind a name and returns the one that was there. */
  swap(name: string, data: HostTensor['data']): HostTensor['data'] {
    const tensor = this.tensor(name);
    this.#tensors.set(name, { ...tensor, data } as HostTensor);
    return tensor.data;
  }

  /** Runs `work` after all that was asked for earlier: two runs never read and replace the same tensors at a time. */
  exclusive<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function programDtype(dtype: HostTensor['dtype']): TensorSpec['dtype'] {
  return dtype === 'int32' || dtype === 'bool' ? dtype : 'float32';
}

function describeStored({ dtype, shape }: HostTensor): string {
  return describeSpec({ dtype: dtype as TensorSpec['dtype'], shape });
}

function widened(tensor: HostTensor): HostTensor {
  if (tensor.dtype !== 'bfloat16') return tensor;
  const { buffer, byteOffset, byteLength } = tensor.data;
  return {
    dtype: 'float32',
    shape: tensor.shape,
    data: toFloat32('BF16', new Uint8Array(buffer, byteOffset, byteLength)),
  };
}

/** ONNX Runtime refuses memory that is shared between threads. */
function unshared(tensor: HostTensor): HostTensor {
  const isShared = typeof SharedArrayBuffer !== 'undefined' && tensor.data.buffer instanceof SharedArrayBuffer;
  return isShared ? ({ ...tensor, data: tensor.data.slice() } as HostTensor) : tensor;
}
