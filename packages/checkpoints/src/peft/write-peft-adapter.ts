import { type StoredTensor, TunesmithError } from '@tunesmith/core';
import { adapterConfigFile, peftWeightsFile } from '../adapter/adapter-files.js';
import { writeAdapterFolder } from '../adapter/write-adapter-folder.js';
import { formatJson, type JsonObject } from '../json/strict-json.js';

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
  const { config, ...rest } = contents;
  if (typeof config.peft_type !== 'string') {
    throw new TunesmithError('CONFIG_INVALID', `${adapterConfigFile} needs peft_type`, { where: path });
  }
  await writeAdapterFolder(path, {
    ...rest,
    weightsFile: peftWeightsFile,
    config: formatJson(config, { sortKeys: true }),
  });
}
