import { type Dtype, type TensorSpec, TunesmithError, tf } from '@tunesmith/core';
import { kernelsWithoutLowering } from '../lower/kernels-without-lowering-table.js';
import { opTable } from '../lower/op-table.js';
import type { Attributes, Value } from './graph.js';
import type { Recorder } from './recorder.js';

export const tracingBackendName = 'tunesmith-trace';

type TensorInfo = TensorSpec & { readonly dataId: object };

/**
 * A TensorFlow.js backend that computes nothing: its tensors stand for values of the graph being recorded.
 * A tensor's `dataId` is a fresh object for each value that a kernel returns, so aliases need no reference counts.
 */
export class TracingBackend extends tf.KernelBackend {
  #recorder: Recorder | undefined;
  #values = new WeakMap<object, Value>();
  #live = 0;

  /** Records what `work` does into `recorder`. Traces may nest; their values do not mix. */
  recording<Result>(recorder: Recorder, work: () => Result): Result {
    const outer = { recorder: this.#recorder, values: this.#values, live: this.#live };
    this.#recorder = recorder;
    this.#values = new WeakMap();
    this.#live = 0;
    try {
      return work();
    } finally {
      this.#recorder = outer.recorder;
      this.#values = outer.values;
      this.#live = outer.live;
    }
  }

  get recorder(): Recorder {
    if (this.#recorder === undefined) {
      throw new TunesmithError('INTERNAL', `tfjs's backend is ${tracingBackendName} while no program is traced`, {
        hint: 'Only compile() may activate it.',
      });
    }
    return this.#recorder;
  }

  traced({ dataId, shape, dtype }: TensorInfo): Value {
    const value = this.#values.get(dataId);
    if (value === undefined) {
      throw new TunesmithError('OP_UNSUPPORTED', 'a program uses a tensor that was made outside its body', {
        got: `${dtype}[${shape.join(',')}]`,
        hint: 'Pass it as an input, or keep it in the store and read it.',
      });
    }
    return value;
  }

  /** What TensorFlow.js needs to wrap a value in a tensor. */
  tensorInfo(value: Value): TensorInfo {
    const dataId = {};
    this.#values.set(dataId, value);
    this.#live++;
    return { dataId, shape: [...value.shape], dtype: value.dtype };
  }

  override write(values: unknown, shape: number[], dtype: string): object {
    const spec = { shape, dtype: supportedDtype(dtype) };
    return this.tensorInfo(this.recorder.constant(spec, values as ArrayLike<number>)).dataId;
  }

  override read(): Promise<never> {
    return Promise.reject(readError());
  }

  override readSync(): never {
    throw readError();
  }

  override disposeData(dataId: object): boolean {
    if (this.#values.delete(dataId)) this.#live--;
    return true;
  }

  override numDataIds(): number {
    return this.#live;
  }

  override refCount(): number {
    return 1;
  }

  override incRef(): void {}

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {}
}

function supportedDtype(dtype: string): Dtype {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new TunesmithError('OP_UNSUPPORTED', `a program cannot hold ${dtype} tensors`, {
    expected: 'float32, int32 or bool',
  });
}

function readError(): TunesmithError {
  return new TunesmithError('OP_UNSUPPORTED', 'a program may not read values while it is traced', {
    hint: 'Return the tensor as an output, or compute with ops instead of data(), dataSync() or array().',
  });
}

/**
 * The tracing backend, registered with TensorFlow.js on first use together with a kernel for every op that has a lowering,
 * and one that explains itself for every other kernel of TensorFlow.js.
 */
export function tracingBackend(): TracingBackend {
  const existing = tf.findBackend(tracingBackendName);
  if (existing instanceof TracingBackend) return existing;
  const backend = new TracingBackend();
  tf.registerBackend(tracingBackendName, () => backend, -1);
  for (const kernelName of [...Object.keys(opTable), ...kernelsWithoutLowering]) {
    tf.registerKernel({
      kernelName,
      backendName: tracingBackendName,
      kernelFunc: ({ inputs, attrs }) => {
        const tensors = Object.values(inputs ?? {}).filter((tensor) => tensor != null);
        const values = tensors.map((tensor) => backend.traced(tensor as TensorInfo));
        const outputs = backend.recorder.calls(kernelName, values, (attrs ?? {}) as Attributes);
        const infos = outputs.map((value) => backend.tensorInfo(value)) as never[];
        return opTable[kernelName]?.manyOutputs === true || infos.length !== 1 ? infos : (infos[0] as never);
      },
    });
  }
  return backend;
}
