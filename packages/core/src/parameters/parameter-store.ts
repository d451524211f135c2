import { TunesmithError } from '../errors/tunesmith-error.js';
import type { HostTensor, TensorStore } from '../program/backend.js';
import type { ProgramIO } from '../program/program.js';
import { randomKey } from '../random/mixer.js';
import {
  decodeWeight,
  type EncodedMatrix,
  type Encoding,
  encodedMatrix,
  encodeWeight,
} from '../storage/encoded-matrix.js';
import { toFloat32 } from '../storage/float-codecs.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { elementCount, type Handle, type HostArray, type InitContext } from './handle.js';

/** Handles whose values lie one after another in one stored tensor, so that the optimizer runs over few large tensors. */
export interface Chunk {
  /** The stored tensor's name. A chunk of one handle is that handle's own tensor, in its own shape. */
  readonly entry: string;
  readonly handles: readonly Handle[];
  readonly size: number;
}

/** A chunk holds at most this many elements: 4M floats, 16 MB, the size above which updates stop being cheap. */
const maxChunkElements = 4 * 1024 * 1024;
/** A handle of this size lies alone: reading it out of a chunk would copy more than one update less saves. */
const minAloneElements = 128 * 1024;

/**
 * Where every handle's value lies in a tensor store: alone under its key, or at an offset of a chunk.
 * Training, evaluation, saving and generation all read through it.
 */
export interface ParameterStore {
  readonly tensors: TensorStore;
  /** The value inside a program. */
  readIn(io: ProgramIO, handle: Handle): Tensor;
  /** A matrix that a codec keeps, inside a program; undefined for a handle that is stored as it is. */
  encodedIn(io: ProgramIO, handle: Handle): EncodedMatrix | undefined;
  /** How a handle's value is kept, if by a codec. */
  encodingOf(handle: Handle): Encoding | undefined;
  /** What a codec keeps of a handle's value. */
  readParts(handle: Handle): Promise<Named<HostTensor>>;
  /** Keeps a handle's value by a codec from now on. */
  writeParts(handle: Handle, encoding: Encoding, parts: Readonly<Named<HostTensor>>): void;
  /** A float32 handle's values. @throws INTERNAL for a buffer of whole numbers */
  read(handle: Handle): Promise<Float32Array>;
  /** The values of any handle, as they are stored. */
  readArray(handle: Handle): Promise<HostArray>;
  write(handle: Handle, values: HostArray): Promise<void>;
  /** Gives every handle a tensor of its own again. Programs compiled before are void. */
  unpack(): Promise<void>;
  /** Moves the handles of each group into chunks, in order, and returns these. Programs compiled before are void. */
  pack(groups: readonly (readonly Handle[])[]): Promise<Chunk[][]>;
}

interface Place {
  readonly chunk: Chunk;
  readonly offset: number;
}

export function createParameterStore(tensors: TensorStore): ParameterStore {
  const places = new Map<string, Place>();
  const encodings = new Map<string, Encoding>();
  let packs = 0;

  const store: ParameterStore = {
    tensors,

    encodedIn(io, handle) {
      const encoding = encodings.get(handle.key);
      if (encoding === undefined) return undefined;
      const names = Object.keys(encoding.codec.parts(encoding));
      return encodedMatrix(encoding, Object.fromEntries(names.map((name) => [name, io.read(partEntry(handle, name))])));
    },

    encodingOf: ({ key }) => encodings.get(key),

    async readParts(handle) {
      const encoding = encodings.get(handle.key);
      const names = encoding === undefined ? [] : Object.keys(encoding.codec.parts(encoding));
      const parts: Named<HostTensor> = {};
      for (const name of names) parts[name] = await tensors.get(partEntry(handle, name));
      return parts;
    },

    writeParts(handle, encoding, parts) {
      tensors.delete(handle.key);
      encodings.set(handle.key, encoding);
      for (const [name, part] of Object.entries(parts)) tensors.set(partEntry(handle, name), part);
    },

    readIn(io, handle) {
      const encoded = store.encodedIn(io, handle);
      if (encoded !== undefined) return encoded.value();
      const place = places.get(handle.key);
      if (place === undefined) return io.read(handle.key);
      const flat = io.read(place.chunk.entry);
      return tf.reshape(tf.slice(flat, [place.offset], [elementCount(handle.shape)]), [...handle.shape]);
    },

    async read(handle) {
      const encoding = encodings.get(handle.key);
      if (encoding !== undefined) return decodeWeight(encoding, await store.readParts(handle));
      const place = places.get(handle.key);
      const values = asFloat32(await tensors.get(place?.chunk.entry ?? handle.key), handle);
      return place === undefined ? values : values.slice(place.offset, place.offset + elementCount(handle.shape));
    },

    async readArray(handle) {
      if (handle.dtype !== 'int32') return store.read(handle);
      const { data } = await tensors.get(handle.key);
      return data as Int32Array;
    },

    async write(handle, values) {
      const size = elementCount(handle.shape);
      if (values instanceof Int32Array !== (handle.dtype === 'int32')) {
        throw new TunesmithError('INTERNAL', 'values of another type', {
          where: handle.path,
          expected: handle.dtype ?? 'float32',
        });
      }
      if (values.length !== size) {
        throw new TunesmithError('SHAPE_MISMATCH', 'wrong number of values', {
          where: handle.path,
          expected: `${size} for [${handle.shape.join(', ')}]`,
          got: String(values.length),
        });
      }
      const encoding = encodings.get(handle.key);
      if (encoding !== undefined) {
        store.writeParts(handle, encoding, encodeWeight(encoding, values as Float32Array));
        return;
      }
      const place = places.get(handle.key);
      if (place === undefined) {
        const { shape } = handle;
        if (values instanceof Int32Array) tensors.set(handle.key, { dtype: 'int32', shape, data: values });
        else tensors.set(handle.key, { dtype: 'float32', shape, data: values });
        return;
      }
      const { data } = await tensors.get(place.chunk.entry);
      (data as Float32Array).set(values, place.offset);
      tensors.set(place.chunk.entry, { dtype: 'float32', shape: [place.chunk.size], data: data as Float32Array });
    },

    async unpack() {
      const chunks = new Set([...places.values()].map(({ chunk }) => chunk));
      for (const { entry, handles } of chunks) {
        const values = await Promise.all(handles.map((handle) => store.read(handle)));
        tensors.delete(entry);
        handles.forEach((handle, index) => {
          places.delete(handle.key);
          tensors.set(handle.key, { dtype: 'float32', shape: handle.shape, data: values[index] as Float32Array });
        });
      }
    },

    async pack(groups) {
      await store.unpack();
      const values = new Map<string, Float32Array>();
      for (const handle of groups.flat()) {
        values.set(handle.key, await store.read(handle));
        tensors.delete(handle.key);
      }
      packs++;
      return groups.map((group, index) => {
        const chunks = splitIntoChunks(group, `chunk.${packs}.${index}`);
        for (const chunk of chunks) {
          if (chunk.handles.length === 1) {
            const handle = chunk.handles[0] as Handle;
            tensors.set(handle.key, {
              dtype: 'float32',
              shape: handle.shape,
              data: values.get(handle.key) as Float32Array,
            });
            continue;
          }
          const data = new Float32Array(chunk.size);
          let offset = 0;
          for (const handle of chunk.handles) {
            data.set(values.get(handle.key) as Float32Array, offset);
            places.set(handle.key, { chunk, offset });
            offset += elementCount(handle.shape);
          }
          tensors.set(chunk.entry, { dtype: 'float32', shape: [chunk.size], data });
        }
        return chunks;
      });
    },
  };
  return store;
}

/** The stored tensor of a part of an encoded value. */
function partEntry({ key }: Handle, part: string): string {
  return `${key}/${part}`;
}

/** Frozen weights may be stored in 16 bits. */
function asFloat32({ dtype, data }: HostTensor, { path }: Handle): Float32Array {
  switch (dtype) {
    case 'float32':
      return data;
    case 'float16':
    case 'bfloat16':
      return toFloat32(
        dtype === 'float16' ? 'F16' : 'BF16',
        new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      );
    default:
      throw new TunesmithError('INTERNAL', `a parameter is stored as ${dtype}`, { where: path });
  }
}

function splitIntoChunks(handles: readonly Handle[], name: string): Chunk[] {
  const parts: Handle[][] = [];
  let shared: Handle[] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const handle of handles) {
    const elements = elementCount(handle.shape);
    if (elements >= minAloneElements) {
      parts.push([handle]);
      continue;
    }
    if (size + elements > maxChunkElements) {
      shared = [];
      parts.push(shared);
      size = 0;
    }
    shared.push(handle);
    size += elements;
  }
  return parts.map((part, index) => ({
    entry: part.length === 1 ? (part[0] as Handle).key : `${name}.${index}`,
    handles: part,
    size: part.reduce((sum, { shape }) => sum + elementCount(shape), 0),
  }));
}

export interface InitialiseOptions {
  /** The handles to give a value; all if not said. */
  readonly only?: readonly Handle[];
  /** Values by path, in place of the initialisers'. */
  readonly values?: ReadonlyMap<string, HostArray> | undefined;
  /** What the checkpoint has in place of what a codec keeps, for those that start from the difference. */
  readonly readOriginal?: ((handle: Handle) => Promise<Float32Array | null>) | undefined;
  /** For those that start from a text. */
  readonly tokenize?: InitContext['tokenize'] | undefined;
}

/** Gives every handle that a method or the engine added its first value, keyed by (seed, key). */
export async function initialiseHandles(
  store: ParameterStore,
  handles: readonly Handle[],
  seed: number,
  { only = handles, values: given, tokenize, readOriginal }: InitialiseOptions = {},
): Promise<void> {
  const fresh = new Set(only.filter(({ init, owner }) => init !== undefined && owner !== 'base'));
  const pending = new Set(fresh);
  const byPath = new Map(handles.filter(({ owner }) => owner === 'base').map((handle) => [handle.path, handle]));
  const baseAt = (path: string, { path: where }: Handle): Handle => {
    const base = byPath.get(path);
    if (base !== undefined) return base;
    throw new TunesmithError('NAME_UNKNOWN', `there is no base weight "${path}"`, { where });
  };
  const contextOf = (handle: Handle): InitContext => ({
    shape: handle.shape,
    key: randomKey(seed, 'init', handle.key),
    readBase: async (path) => Float32Array.from(await store.read(baseAt(path, handle))),
    readOriginal: async (path) => (await readOriginal?.(baseAt(path, handle))) ?? null,
    tokenize: (text) => {
      if (tokenize !== undefined) return tokenize(text);
      throw new TunesmithError('CAPABILITY_MISSING', 'there is no tokenizer to start from a text with', {
        where: handle.path,
        hint: 'Give initialiseHandles one, or choose another initialisation.',
      });
    },
    read: async (other) => {
      if (!pending.has(other)) return Float32Array.from(await store.read(other));
      throw new TunesmithError('INTERNAL', `"${other.path}" has no value yet`, {
        where: handle.path,
        hint: 'Declare it before what is made from it.',
      });
    },
  });
  for (const handle of handles) {
    if (handle.init === undefined || !fresh.has(handle)) continue;
    await store.write(handle, given?.get(handle.path) ?? (await handle.init(contextOf(handle))));
    pending.delete(handle);
  }
}
