import { type FileHandle, open } from 'node:fs/promises';
import { type StoredTensor, type TensorSource, TunesmithError } from '@tunesmith/core';
import { orMissing } from '../files/missing-file.js';
import { readRange } from '../files/read-range.js';
import { lengthBytes, maxHeaderBytes, notSafetensors, parseHeader, type SafetensorsHeader } from './header.js';

/** An open safetensors file: its tensors are read from disk when asked for, until it is closed. */
export interface SafetensorsFile extends TensorSource {
  readonly path: string;
  /** The strings under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  get(name: string): StoredTensor | undefined;
  close(): Promise<void>;
}

/**
 * Opens a safetensors file of any size, reading and checking its header only.
 * @throws FILE_MISSING, or FILE_INVALID saying what is wrong with the header
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const handle = await orMissing(open(path, 'r'), 'there is no such file', path);
  try {
    const { header, dataBegin } = await readHeader(handle, path);
    const tensors = new Map<string, StoredTensor>();
    for (const { name, dtype, shape, begin, end } of header.tensors) {
      const read = () => readRange(handle, dataBegin + begin, end - begin, `${path}, ${name}`);
      tensors.set(name, { name, dtype, shape, read });
    }
    return {
      path,
      metadata: header.metadata,
      names: () => [...tensors.keys()],
      get: (name) => tensors.get(name),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readHeader(handle: FileHandle, path: string): Promise<{ header: SafetensorsHeader; dataBegin: number }> {
  const { size } = await handle.stat();
  const invalid = (what: string, expected: string, got: string) =>
    new TunesmithError('FILE_INVALID', what, { where: path, expected, got, hint: notSafetensors });
  if (size < lengthBytes) throw invalid('the file is too short', `at least ${lengthBytes} bytes`, String(size));
  const prefix = await readRange(handle, 0, lengthBytes, path);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  const most = Math.min(maxHeaderBytes, size - lengthBytes);
  if (length > most) throw invalid('the header is too long', `at most ${most} bytes`, String(length));
  const json = await readRange(handle, lengthBytes, Number(length), path);
  const dataBegin = lengthBytes + json.length;
  return { header: parseHeader(json, size - dataBegin, path), dataBegin };
}
