import { type FileHandle, open } from 'node:fs/promises';
import { type GGUFTensorInfo, gguf } from '@huggingface/gguf';
import {
  bytesPerElement,
  fromFloat32,
  type GgufContents,
  type StoredDtype,
  type StoredTensor,
  TunesmithError,
} from '@tunesmith/core';
import { orMissing } from '../files/missing-file.js';
import { readRange } from '../files/read-range.js';
import { blockTypes, otherTypes } from './block-types.js';
import { linearCodes } from './linear-codes.js';

/** An open GGUF file: its tensors are read from disk when asked for, until it is closed. */
export interface GgufFile extends GgufContents {
  readonly path: string;
  close(): Promise<void>;
}

/** ggml's numbers of the types that are no blocks. */
const floatTypes: ReadonlyMap<number, StoredDtype> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [30, 'BF16'],
]);

/** Whether a path is that of a GGUF file, by its name. */
export function isGguf(path: string): boolean {
  return path.toLowerCase().endsWith('.gguf');
}

/**
 * Opens a GGUF file, whose names are llama.cpp's. A tensor in blocks of few bits reads as float32, and a matrix in such that a
 * codec computes with has its `codes` beside that.
 * @throws FILE_MISSING, or FILE_INVALID naming the file, and the tensor with its type where it is one of these
 */
export async function openGguf(path: string): Promise<GgufFile> {
  const handle = await orMissing(open(path, 'r'), 'there is no such file', path);
  try {
    const { size } = await handle.stat();
    const { metadata, tensorInfos, tensorDataOffset, littleEndian } = await readHeader(path);
    if (!littleEndian) throw invalid('its numbers are big-endian', path, 'little-endian', 'big-endian');
    const split = metadata['split.count'];
    if (split !== undefined && Number(split) > 1)
      throw invalid('it is one part of several', path, 'one file', `${split}`);
    const tensors = new Map<string, StoredTensor>();
    for (const info of tensorInfos) {
      if (tensors.has(info.name)) throw invalid('it has two tensors of one name', `${path}, ${info.name}`);
      tensors.set(info.name, storedTensor(info, { handle, path, size, begin: Number(tensorDataOffset) }));
    }
    return {
      ...{ path, metadata },
      tensors: { names: () => [...tensors.keys()], get: (name) => tensors.get(name) },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readHeader(path: string) {
  try {
    const { metadata, ...rest } = await gguf(path, { allowLocalFile: true });
    return { ...rest, metadata: { ...metadata } as Record<string, unknown> };
  } catch (cause) {
    throw new TunesmithError('FILE_INVALID', `it is no GGUF file: ${(cause as Error).message}`, { where: path, cause });
  }
}

interface Place {
  readonly handle: FileHandle;
  readonly path: string;
  readonly size: number;
  /** Where the tensors' data begin. */
  readonly begin: number;
}

/** GGUF lists the fastest dimension first. */
function storedTensor({ name, dtype: type, shape, offset }: GGUFTensorInfo, place: Place): StoredTensor {
  const where = `${place.path}, ${name}`;
  const sizes = shape.map(Number).reverse();
  const elements = sizes.reduce((product, each) => product * each, 1);
  const begin = place.begin + Number(offset);
  const bytesAt = (length: number) => {
    if (begin + length > place.size) {
      throw invalid('the file ends before the tensor does', where, `${begin + length} bytes`, `${place.size} bytes`);
    }
    return () => readRange(place.handle, begin, length, where);
  };
  const float = floatTypes.get(type);
  if (float !== undefined) {
    return { name, dtype: float, shape: sizes, read: bytesAt(elements * bytesPerElement(float)) };
  }
  const blocks = blockTypes.get(type);
  if (blocks === undefined) {
    const known = [...floatTypes.values(), ...[...blockTypes.values()].map((each) => each.name)];
    throw new TunesmithError('FILE_INVALID', 'it has a type that is not read here', {
      where,
      expected: known.join(', '),
      got: otherTypes[type] ?? `type ${type}`,
      hint: 'Take the same model in another quantisation, such as Q8_0 or Q4_K.',
    });
  }
  const columns = sizes.at(-1) ?? 1;
  if (columns % blocks.blockElements !== 0) {
    const got = `rows of ${columns}`;
    throw invalid(
      `its rows are no whole blocks of ${blocks.name}`,
      where,
      `a multiple of ${blocks.blockElements}`,
      got,
    );
  }
  const bytes = bytesAt((elements / blocks.blockElements) * blocks.blockBytes);
  const { linear, decode } = blocks;
  return {
    ...{ name, dtype: 'F32', shape: sizes },
    read: async () => fromFloat32('F32', decode(await bytes())),
    ...(linear !== undefined && sizes.length === 2 && { codes: linearCodes(linear, sizes, bytes) }),
  };
}

function invalid(what: string, where: string, expected?: string, got?: string): TunesmithError {
  return new TunesmithError('FILE_INVALID', what, { where, ...(expected && { expected }), ...(got && { got }) });
}
