import { join } from 'node:path';
import { type StoredTensor, TunesmithError, toFloat32 } from '@tunesmith/core';
import { writeFlushed, writeFolderAtomically, writeNew } from '../files/atomic-write.js';
import { fileSink } from '../files/byte-sink.js';
import { streamSafetensors } from '../safetensors/write-safetensors.js';
import { adapterConfigFile, adapterManifestFile } from './adapter-files.js';

/** The files of an adapter folder, whoever's form it has. */
export interface AdapterFolder {
  readonly weightsFile: string;
  /** The text of adapter_config.json. */
  readonly config: string;
  readonly tensors: Iterable<StoredTensor> | AsyncIterable<StoredTensor>;
  readonly manifest?: string;
  readonly readme?: string;
}

/**
 * Writes an adapter folder. It appears whole or not at all; an adapter that is there is replaced, a folder that holds
 * anything but the files written now is not.
 * @throws DATA_INVALID when there is no tensor or all of them are zero, which is what a failed run would save
 */
export async function writeAdapterFolder(path: string, contents: AdapterFolder): Promise<void> {
  const { weightsFile, config, tensors, manifest, readme } = contents;
  const texts = new Map([[adapterConfigFile, config]]);
  if (manifest !== undefined) texts.set(adapterManifestFile, manifest);
  if (readme !== undefined) texts.set('README.md', readme);
  await writeFolderAtomically(
    path,
    async (folder) => {
      const seen = { tensors: 0, nonZero: false };
      await writeFlushed(join(folder, weightsFile), (handle) =>
        streamSafetensors(fileSink(handle), watch(tensors, seen)),
      );
      if (!seen.nonZero) throw emptyAdapter(path, seen.tensors);
      for (const [name, text] of texts) await writeNew(join(folder, name), text);
    },
    (name) => name === weightsFile || texts.has(name),
  );
}

async function* watch(
  tensors: Iterable<StoredTensor> | AsyncIterable<StoredTensor>,
  seen: { tensors: number; nonZero: boolean },
): AsyncGenerator<StoredTensor> {
  for await (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    seen.tensors++;
    const read = async () => {
      const bytes = await tensor.read();
      seen.nonZero ||= toFloat32(dtype, bytes).some((value) => value !== 0);
      return bytes;
    };
    yield { name, dtype, shape, read };
  }
}

function emptyAdapter(where: string, tensors: number): TunesmithError {
  const what = tensors === 0 ? 'the adapter has no tensors' : `all ${tensors} tensors of the adapter are zero`;
  return new TunesmithError('DATA_INVALID', `${what}: it would change nothing`, {
    where,
    hint: 'Did the method match any site, and were its parameters trained?',
  });
}
