import { join } from 'node:path';
import { type StoredTensor, TunesmithError, toFloat32 } from '@tunesmith/core';
import { writeFlushed, writeFolderAtomically, writeNew } from '../files/atomic-write.js';
import { fileSink } from '../files/byte-sink.js';
import { formatJson, type JsonObject } from '../json/strict-json.js';
import { streamSafetensors } from '../safetensors/write-safetensors.js';
import { adapterConfigFile, adapterManifestFile, adapterWeightsFile } from './adapter-files.js';

export interface PeftAdapterContents {
  /** Written as PEFT writes it: two spaces, keys sorted. Needs `peft_type`. */
  readonly config: JsonObject;
  /** Under their names in the file, which `toPeftName` makes. */
  readonly tensors: Iterable<StoredTensor> | AsyncIterable<StoredTensor>;
  /** The text of `tunesmith.json`, which a `VersionedJson` formats. */
  readonly manifest?: string;
  /** The text of `README.md`, the model card. */
  readonly readme?: string;
}

/**
 * Writes an adapter folder that PEFT, transformers and vLLM load. It appears whole or not at all; an adapter that is
 * there is replaced, a folder that holds anything but the files written now is not.
 * @throws DATA_INVALID when there is no tensor or all of them are zero, which is what a failed run would save
 */
export async function writePeftAdapter(path: string, contents: PeftAdapterContents): Promise<void> {
  const { config, tensors, manifest, readme } = contents;
  if (typeof config.peft_type !== 'string') {
    throw new TunesmithError('CONFIG_INVALID', `${adapterConfigFile} needs peft_type`, { where: path });
  }
  const texts = new Map([[adapterConfigFile, formatJson(config, { sortKeys: true })]]);
  if (manifest !== undefined) texts.set(adapterManifestFile, manifest);
  if (readme !== undefined) texts.set('README.md', readme);
  await writeFolderAtomically(
    path,
    async (folder) => {
      const seen = { tensors: 0, nonZero: false };
      await writeFlushed(join(folder, adapterWeightsFile), (handle) =>
        streamSafetensors(fileSink(handle), watch(tensors, seen)),
      );
      if (!seen.nonZero) throw emptyAdapter(path, seen.tensors);
      for (const [name, text] of texts) await writeNew(join(folder, name), text);
    },
    (name) => name === adapterWeightsFile || texts.has(name),
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
