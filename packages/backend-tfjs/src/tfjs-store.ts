import {
  didYouMean,
  type HostTensor,
  type Named,
  type Tensor,
  type TensorStore,
  TunesmithError,
  tf,
} from '@tunesmith/core';
import { withBackend } from './active-backend.js';
import { toDevice, toHost } from './host-values.js';

interface Entry {
  readonly dtype: HostTensor['dtype'];
  readonly tensor: Tensor;
}

/** Holds its tensors on the device; executables of the same backend read them where they lie. */
export class TfjsStore implements TensorStore {
  readonly #backendName: string;
  readonly #entries = new Map<string, Entry>();

  constructor(backendName: string) {
    this.#backendName = backendName;
  }

  set(name: string, host: HostTensor): void {
    const before = this.#entries.get(name);
    if (before !== undefined && (before.dtype !== host.dtype || before.tensor.shape.join() !== host.shape.join())) {
      throw new TunesmithError('SHAPE_MISMATCH', 'a stored tensor is replaced only by one of its shape and type', {
        where: name,
        expected: `${before.dtype} [${before.tensor.shape}]`,
        got: `${host.dtype} [${host.shape}]`,
      });
    }
    const tensor = withBackend(this.#backendName, () => tf.keep(toDevice(host)));
    before?.tensor.dispose();
    this.#entries.set(name, { dtype: host.dtype, tensor });
  }

  get(name: string): Promise<HostTensor> {
    const { tensor, dtype } = this.#entry(name);
    return toHost(tensor, dtype);
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  delete(name: string): void {
    this.#entries.get(name)?.tensor.dispose();
    this.#entries.delete(name);
  }

  dispose(): void {
    for (const name of this.names()) this.delete(name);
  }

  /** The tensor itself, for a program to read. It stays the store's. */
  tensor(name: string): Tensor {
    return this.#entry(name).tensor;
  }

  /** Checks that every new value fits; nothing is replaced until all do. */
  check(updates: Readonly<Named<Tensor>>, where: string): void {
    for (const [name, value] of Object.entries(updates)) {
      const { tensor } = this.#entry(name);
      if (tensor.dtype === value.dtype && tensor.shape.join() === value.shape.join()) continue;
      throw new TunesmithError('SHAPE_MISMATCH', `the update of '${name}' is not what is stored`, {
        where,
        expected: `${tensor.dtype} [${tensor.shape}]`,
        got: `${value.dtype} [${value.shape}]`,
      });
    }
  }

  /** Takes over new values, which `check` accepted, and frees the old ones. */
  replace(updates: Readonly<Named<Tensor>>): void {
    for (const [name, value] of Object.entries(updates)) {
      const { dtype, tensor } = this.#entry(name);
      this.#entries.set(name, { dtype, tensor: tf.keep(value) });
      tensor.dispose();
    }
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry !== undefined) return entry;
    throw new TunesmithError('NAME_UNKNOWN', `the store holds no '${name}'`, {
      hint: didYouMean(name, this.#entries.keys()),
    });
  }
}
