import {
  currentSite,
  type Executable,
  fillKeepMask,
  fillUniform,
  type HostTensor,
  type Named,
  type Program,
  type ProgramIO,
  type RunOptions,
  refuseMissingKernels,
  type Tensor,
  type TensorSpec,
  TunesmithError,
  tf,
  validateInputs,
} from '@tunesmith/core';
import { withBackend } from './active-backend.js';
import { toDevice, toHost } from './host-values.js';
import type { TfjsStore } from './tfjs-store.js';

/** Runs a program's body eagerly, once a run. */
export class TfjsExecutable implements Executable {
  readonly info = {};
  readonly #program: Program;
  readonly #store: TfjsStore;
  readonly #backendName: string;
  #disposed = false;

  constructor(program: Program, store: TfjsStore, backendName: string) {
    this.#program = program;
    this.#store = store;
    this.#backendName = backendName;
  }

  async run(inputs: Named<HostTensor>, { random }: RunOptions = {}): Promise<Named<HostTensor>> {
    if (this.#disposed) throw new TunesmithError('INTERNAL', `program ${this.#program.name} was disposed`);
    validateInputs(this.#program, inputs);
    const outputs = withBackend(this.#backendName, () => this.#evaluate(inputs, random));
    try {
      const values: Named<HostTensor> = {};
      for (const [name, tensor] of Object.entries(outputs)) {
        values[name] = await toHost(tensor, tensor.dtype as HostTensor['dtype']);
      }
      return values;
    } finally {
      tf.dispose(outputs);
    }
  }

  dispose(): Promise<void> {
    this.#disposed = true;
    return Promise.resolve();
  }

  /** Updates the store and returns the outputs, still on the device. */
  #evaluate(inputs: Named<HostTensor>, random: RunOptions['random']): Named<Tensor> {
    const { name, body } = this.#program;
    const { outputs, updates } = tf.tidy(() => {
      const result = refuseMissingKernels(this.#refusal.bind(this), () => body(this.#io(inputs, random)));
      this.#store.check(result.updates ?? {}, `program ${name}`);
      // Clones share their values: an output or update may be an input or a stored tensor itself.
      return { outputs: cloneEach(result.outputs), updates: cloneEach(result.updates ?? {}) };
    });
    this.#store.replace(updates);
    return outputs;
  }

  #io(inputs: Named<HostTensor>, random: RunOptions['random']): ProgramIO {
    // All are made here, outside any scope that the body opens and that would dispose them.
    const fed = new Map(Object.entries(inputs).map(([name, host]) => [name, toDevice(copyOf(host))]));
    return {
      input: (name) => {
        const tensor = fed.get(name);
        if (tensor !== undefined) return tensor;
        throw new TunesmithError('NAME_UNKNOWN', `the program reads an input '${name}' that it does not declare`, {
          where: `program ${this.#program.name}`,
        });
      },
      read: (name) => this.#store.tensor(name),
      keepMask: (site, shape, rate) => {
        if (random === undefined) throw withoutRandom(this.#program, site);
        const mask = new Uint8Array(tf.util.sizeFromShape([...shape]));
        fillKeepMask(mask, shape, site, rate, random);
        return tf.tensor(mask, [...shape], 'bool');
      },
      uniform: (site, shape, scope) => {
        if (random === undefined) throw withoutRandom(this.#program, site);
        const noise = new Float32Array(tf.util.sizeFromShape([...shape]));
        fillUniform(noise, shape, site, scope, random);
        return tf.tensor(noise, [...shape], 'float32');
      },
    };
  }

  #refusal(kernel: string, operands: readonly TensorSpec[]): TunesmithError {
    const site = currentSite();
    return new TunesmithError('OP_UNSUPPORTED', `tfjs's ${this.#backendName} backend has no ${kernel}`, {
      where: `program ${this.#program.name}${site === undefined ? '' : `, ${site}`}`,
      got: operands.map(({ dtype, shape }) => `${dtype}[${shape.join(',')}]`).join(', '),
    });
  }
}

function withoutRandom({ name }: Program, site: string): TunesmithError {
  return new TunesmithError('CONFIG_INVALID', 'the program draws at random: run it with `random`', {
    where: `program ${name}, site ${site}`,
  });
}

function copyOf(host: HostTensor): HostTensor {
  return { ...host, data: host.data.slice() } as HostTensor;
}

function cloneEach(tensors: Named<Tensor>): Named<Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tf.clone(tensor)]));
}
