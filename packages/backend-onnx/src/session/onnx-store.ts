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
import type { ElementType } from '../emit/onnx-model.js';
import { elementCount } from '../trace/graph.js';
import type { GpuMemory } from './gpu-memory.js';
import type { OnnxTensor } from './onnx-runtime.js';

type Data = HostTensor['data'];

/**
 * A tensor as sessions see it: `dtype` is what was set, `type` what is held, in host memory or on a GPU. A tensor that
 * changes is another object.
 */
export interface StoredValue {
  readonly dtype: HostTensor['dtype'];
  readonly type: StoredType;
  readonly shape: Shape;
  readonly held: Data | OnnxTensor;
}

export type StoredType = Exclude<HostTensor['dtype'], 'bfloat16'> | 'uint16';

/**
 * Tensors in host memory, which sessions on the CPU read in place, or on a GPU from their first use on.
 * float16 and bfloat16 stay 16 bits wide and are widened inside the graph, but for GPUs, of which not all have the types:
 * there they are held as float32, and cost as much. ONNX Runtime takes no bfloat16 from JavaScript, so that its
 * bits travel as uint16.
 */
export class OnnxStore implements TensorStore {
  readonly #values = new Map<string, StoredValue>();
  readonly #gpu: GpuMemory | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(gpu?: GpuMemory) {
    this.#gpu = gpu;
  }

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
    const isWidened = this.#gpu !== undefined && (dtype === 'bfloat16' || dtype === 'float16');
    const type = isWidened ? 'float32' : dtype === 'bfloat16' ? 'uint16' : dtype;
    const held = isWidened ? widen(dtype, tensor.data) : unshared(tensor.data);
    this.#put(name, { dtype, type, shape, held });
  }

  /** Waits for the runs that were asked for earlier. */
  get(name: string): Promise<HostTensor> {
    return this.exclusive(async () => {
      const { dtype, type, shape, held } = this.value(name);
      const data = isData(held) ? held.slice() : await this.#gpu?.download(type, held);
      return { dtype, shape, data: data instanceof Float32Array ? ofType(dtype, data) : data } as HostTensor;
    });
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  names(): string[] {
    return [...this.#values.keys()];
  }

  delete(name: string): void {
    free(this.#values.get(name)?.held);
    this.#values.delete(name);
  }

  dispose(): void {
    for (const name of this.names()) this.delete(name);
    void this.#gpu?.dispose();
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

  /** Whether values of a type live on the GPU, so that updates are to be left there. */
  isResident(type: ElementType): boolean {
    return this.#gpu?.holds(type) ?? false;
  }

  /** What to feed for a name: the array in host memory, or the tensor on the GPU, moved there if it is not yet. */
  async feed(name: string): Promise<Data | OnnxTensor> {
    const value = this.value(name);
    const { type, shape, held } = value;
    if (this.#gpu === undefined || !isData(held) || !this.isResident(type)) return held;
    const resident = await this.#gpu.upload(type, shape, held);
    this.#put(name, { ...value, held: resident });
    return resident;
  }

  /** Puts another array behind a name and returns the one that was there. */
  swap(name: string, data: Data): Data {
    const { held } = this.value(name);
    this.#values.set(name, { ...this.value(name), held: data });
    return held as Data;
  }

  /** Notes that a stored array was written over: whoever holds a copy holds an old one. */
  touch(name: string): void {
    this.#values.set(name, { ...this.value(name) });
  }

  /** Puts a tensor on the GPU behind a name and frees the one that was there. */
  replace(name: string, tensor: OnnxTensor): void {
    this.#put(name, { ...this.value(name), held: tensor });
  }

  /** Copies a tensor on the GPU that a session made, before the session goes and the tensor with it. */
  async adopt(name: string, tensor: OnnxTensor): Promise<void> {
    const value = this.#values.get(name);
    if (this.#gpu === undefined || value?.held !== tensor) return;
    this.#put(name, { ...value, held: await this.#gpu.copy(value.type, tensor) });
  }

  #put(name: string, value: StoredValue): void {
    free(this.#values.get(name)?.held);
    this.#values.set(name, value);
  }

  /** Runs `work` after all that was asked for earlier: two runs never read and replace the same tensors at a time. */
  exclusive<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function isData(held: Data | OnnxTensor): held is Data {
  return ArrayBuffer.isView(held);
}

function free(held: Data | OnnxTensor | undefined): void {
  if (held !== undefined && !isData(held)) held.dispose();
}

function programDtype(type: StoredType): TensorSpec['dtype'] {
  if (type === 'uint8' || type === 'int8') return 'int32';
  return type === 'float16' || type === 'uint16' ? 'float32' : type;
}

function describe({ dtype, shape }: Pick<HostTensor, 'dtype' | 'shape'>): string {
  return `${dtype}[${shape.join(',')}]`;
}

const codecs = { float16: 'F16', bfloat16: 'BF16' } as const;

function widen(dtype: HostTensor['dtype'], { buffer, byteOffset, byteLength }: Data): Float32Array {
  return toFloat32(codecs[dtype as keyof typeof codecs], new Uint8Array(buffer, byteOffset, byteLength));
}

function ofType(dtype: HostTensor['dtype'], values: Float32Array): Float32Array | Uint16Array {
  if (dtype === 'float32') return values;
  const { buffer, byteOffset, byteLength } = fromFloat32(codecs[dtype as keyof typeof codecs], values);
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}

/** ONNX Runtime refuses memory that is shared between threads. */
function unshared(data: Data): Data {
  return typeof SharedArrayBuffer !== 'undefined' && data.buffer instanceof SharedArrayBuffer ? data.slice() : data;
}
