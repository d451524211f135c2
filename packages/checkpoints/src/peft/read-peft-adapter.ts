import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { type TensorSource, TunesmithError } from '@tunesmith/core';
import { adapterConfigFile, peftWeightsFile } from '../adapter/adapter-files.js';
import { foreignAdapterError, isForeignAdapter } from '../adapter/foreign-adapter.js';
import { orMissing } from '../files/missing-file.js';
import { type JsonObject, readJsonObject } from '../json/strict-json.js';
import { isPickle, pickleError } from '../model-folder/pickle.js';
import { openSafetensors } from '../safetensors/open-safetensors.js';

/** An open PEFT adapter folder. */
export interface PeftAdapter {
  readonly path: string;
  /** `adapter_config.json`, as it is. */
  readonly config: JsonObject;
  /** The tensors by their names in the file; `fromPeftName` gives the model's. */
  readonly tensors: TensorSource;
  /** Closes the weight file; tensors can't be read afterwards. */
  close(): Promise<void>;
}

/**
 * Opens an adapter that Hugging Face PEFT, or Tunesmith, saved.
 * @throws FILE_MISSING, or FILE_INVALID naming the library whose adapter it is; pickled weights are refused
 */
export async function readPeftAdapter(path: string): Promise<PeftAdapter> {
  const folder = await orMissing(realpath(path), 'there is no such folder', path);
  const names = (await orMissing(readdir(folder), 'this is no folder', path)).sort();
  const config = await readConfig(folder, names, path);
  if (!names.includes(peftWeightsFile)) {
    const pickle = names.find(isPickle);
    if (pickle !== undefined) throw pickleError(join(path, pickle));
    throw new TunesmithError('FILE_MISSING', `the adapter has no ${peftWeightsFile}`, { where: path });
  }
  const file = await openSafetensors(join(folder, peftWeightsFile));
  return { path: folder, config, tensors: file, close: file.close };
}

async function readConfig(folder: string, names: readonly string[], path: string): Promise<JsonObject> {
  if (names.includes(adapterConfigFile)) {
    const config = await readJsonObject(join(folder, adapterConfigFile));
    if (typeof config.peft_type === 'string') return config;
    throw foreignAdapterError(names, config, path);
  }
  if (isForeignAdapter(names)) throw foreignAdapterError(names, {}, path);
  throw new TunesmithError('FILE_MISSING', `the folder has no ${adapterConfigFile}`, {
    where: path,
    hint: 'PEFT saves an adapter that is not called "default" in a folder of its name below.',
  });
}
