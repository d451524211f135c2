import {
  type Executable,
  fillKeepMask,
  fillUniform,
  type HostTensor,
  type Named,
  type Program,
  type RunOptions,
  TunesmithError,
  validateInputs,
} from '@tunesmith/core';
import type { ElementType } from '../emit/onnx-model.js';
import type { LoweredProgram } from '../lower/lower-program.js';
import type { BoundInput } from '../lower/lowering.js';
import { elementCount } from '../trace/graph.js';
import type { OnnxRuntime, OnnxTensor } from './onnx-runtime.js';
import type { OnnxStore } from './onnx-store.js';
import type { ResidentSession, Weight } from './resident-session.js';

type Data = HostTensor['data'];

export interface ExecutableParts {
  readonly runtime: OnnxRuntime;
  readonly session: ResidentSession;
  /** What the session holds of the store; nobody feeds it. */
  readonly weights: readonly Weight[];
  readonly program: Program;
  readonly lowered: LoweredProgram;
  readonly store: OnnxStore;
  readonly info: Readonly<Named<number>>;
}

/**
 * A session with what it is fed. Stored tensors are read where they lie. An update is written to a second array, which
 * then changes places with the stored one, or over the stored one where lowering has proven that nothing reads it later.
 */
export class OnnxExecutable implements Executable {
  readonly info: Readonly<Named<number>>;
  readonly #parts: ExecutableParts;
  /** Arrays that belong to the executable: masks and constants by graph input, the next values of updates by name. */
  readonly #owned = new Map<string, Data>();
  readonly #spare = new Map<string, Data>();
  /** What the last run left on the GPU, by the store's names. */
  readonly #made = new Map<string, OnnxTensor>();
  #disposed: Promise<void> | undefined;

  constructor(parts: ExecutableParts) {
    this.#parts = parts;
    this.info = parts.info;
    for (const input of parts.lowered.bound) {
      const data = ownedData(input);
      if (data !== undefined) this.#owned.set(input.graphName, data);
    }
    for (const [name, { type, shape, inPlace }] of parts.lowered.updates) {
      const isFetched = parts.store.isResident(type);
      if (!inPlace && !isFetched) this.#spare.set(name, allocate(type, elementCount(shape)));
    }
  }

  async run(inputs: Named<HostTensor>, options: RunOptions = {}): Promise<Named<HostTensor>> {
    const { program, store } = this.#parts;
    validateInputs(program, inputs);
    return store.exclusive(async () => {
      if (this.#disposed !== undefined) {
        throw new TunesmithError('INTERNAL', 'the executable is disposed', { where: `program ${program.name}` });
      }
      this.#draw(options);
      for (const weight of this.#parts.weights) this.#checkStored(weight.binding.name, weight);
      const results = await this.#execute(await this.#feeds(inputs), this.#fetches());
      for (const [name, data] of this.#spare) this.#spare.set(name, store.swap(name, data));
      for (const [name, { graphName, type, inPlace }] of this.#parts.lowered.updates) {
        if (!store.isResident(type)) {
          if (inPlace) store.touch(name);
          continue;
        }
        const made = results[graphName] as OnnxTensor;
        store.replace(name, made);
        this.#made.set(name, made);
      }
      return this.#outputs(results);
    });
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#parts.store.exclusive(async () => {
      const { session, store } = this.#parts;
      for (const [name, made] of this.#made) await store.adopt(name, made);
      await session.release();
      this.#made.clear();
      this.#owned.clear();
      this.#spare.clear();
    });
    return this.#disposed;
  }

  #draw({ random }: RunOptions): void {
    for (const { graphName, shape, binding } of this.#parts.lowered.bound) {
      if (binding.kind !== 'keepMask' && binding.kind !== 'uniform') continue;
      if (random === undefined) {
        throw new TunesmithError('NAME_UNKNOWN', 'the program draws at random, and no random context was given', {
          where: `program ${this.#parts.program.name}, site ${binding.site}`,
          hint: 'Pass run(inputs, { random: { seed, step, firstRow } }).',
        });
      }
      const { site } = binding;
      if (binding.kind === 'uniform') {
        fillUniform(this.#owned.get(graphName) as Float32Array, shape, site, binding.scope, random);
      } else fillKeepMask(this.#owned.get(graphName) as Uint8Array, shape, site, binding.rate, random);
    }
  }

  async #feeds(inputs: Named<HostTensor>): Promise<Record<string, OnnxTensor>> {
    const feeds: Record<string, OnnxTensor> = {};
    for (const input of this.#parts.lowered.bound) {
      const { graphName, type, shape } = input;
      const source = await this.#source(input, inputs);
      feeds[graphName] = ArrayBuffer.isView(source) ? this.#tensor(type, source, shape) : source;
    }
    return feeds;
  }

  async #source(input: BoundInput, inputs: Named<HostTensor>): Promise<Data | OnnxTensor> {
    const { binding, graphName } = input;
    if (binding.kind === 'input') return (inputs[binding.name] as HostTensor).data;
    if (binding.kind !== 'stored') return this.#owned.get(graphName) as Data;
    this.#checkStored(binding.name, input);
    return this.#parts.store.feed(binding.name);
  }

  /** A name may have been deleted and given to another tensor since the program was compiled. */
  #checkStored(name: string, spec: { readonly type: string; readonly shape: readonly number[] }): void {
    const value = this.#parts.store.value(name);
    const [expected, got] = [spec, value].map(({ type, shape }) => `${type}[${shape.join(',')}]`);
    if (expected === got) return;
    throw new TunesmithError('SHAPE_MISMATCH', 'a stored tensor is not what it was when the program was compiled', {
      where: `program ${this.#parts.program.name}, stored ${name}`,
      expected: `${expected}`,
      got: `${got}`,
      hint: 'Compile the program again.',
    });
  }

  /** Buffers for the updates in host memory; outputs, and updates that stay on a GPU, get theirs from ONNX Runtime. */
  #fetches(): Record<string, OnnxTensor | null> {
    const { store, lowered } = this.#parts;
    const fetches: Record<string, OnnxTensor | null> = {};
    for (const { graphName } of lowered.outputs.values()) fetches[graphName] = null;
    for (const [name, update] of lowered.updates) {
      const { graphName, type, shape } = update;
      this.#checkStored(name, update);
      const buffer = this.#spare.get(name) ?? (store.value(name).held as Data);
      fetches[graphName] = store.isResident(type) ? null : this.#tensor(type, buffer, shape);
    }
    return fetches;
  }

  async #execute(
    feeds: Record<string, OnnxTensor>,
    fetches: Record<string, OnnxTensor | null>,
  ): Promise<Readonly<Record<string, OnnxTensor>>> {
    if (Object.keys(fetches).length === 0) return {};
    try {
      const session = await this.#parts.session.current();
      return (await session.run(feeds, fetches)) as Record<string, OnnxTensor>;
    } catch (cause) {
      throw new TunesmithError('INTERNAL', 'ONNX Runtime failed while running a program', {
        where: `program ${this.#parts.program.name}`,
        got: cause instanceof Error ? cause.message : String(cause),
        cause,
      });
    }
  }

  #outputs(results: Readonly<Record<string, OnnxTensor>>): Named<HostTensor> {
    return Object.fromEntries(
      [...this.#parts.lowered.outputs].map(([name, { graphName, type, shape }]) => {
        const { data } = results[graphName] as OnnxTensor;
        return [name, { dtype: type, shape, data } as HostTensor];
      }),
    );
  }

  #tensor(type: ElementType, data: Data, shape: readonly number[]): OnnxTensor {
    return new this.#parts.runtime.Tensor(type as 'float32', data as Float32Array, shape);
  }
}

function ownedData({ type, shape, binding }: BoundInput): Data | undefined {
  switch (binding.kind) {
    case 'constant':
      return fill(allocate(type, elementCount(shape)), binding.data);
    case 'uniform':
      return new Float32Array(elementCount(shape));
    case 'keepMask':
    case 'barrier':
      return new Uint8Array(elementCount(shape));
    default:
      return undefined;
  }
}

function fill(target: Data, values: ArrayLike<number>): Data {
  target.set(values);
  return target;
}

function allocate(type: ElementType, length: number): Data {
  switch (type) {
    case 'float32':
      return new Float32Array(length);
    case 'int32':
      return new Int32Array(length);
    case 'float16':
    case 'uint16':
      return new Uint16Array(length);
    case 'bool':
    case 'uint8':
      return new Uint8Array(length);
    case 'int8':
      return new Int8Array(length);
    default:
      throw new TunesmithError('INTERNAL', `no host array holds ${type}`);
  }
}
