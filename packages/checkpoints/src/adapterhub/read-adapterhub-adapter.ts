import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { type StoredTensor, type TensorSource, TunesmithError } from '@tunesmith/core';
import { adapterConfigFile, hubHeadFile, hubWeightsFile } from '../adapter/adapter-files.js';
import { orMissing } from '../files/missing-file.js';
import { type JsonObject, readJsonObject } from '../json/strict-json.js';
import { isPickle } from '../model-folder/pickle.js';
import { openSafetensors } from '../safetensors/open-safetensors.js';
import { fromAdapterHubName } from './adapterhub-names.js';

/** An open adapter folder of AdapterHub's. */
export interface AdapterHubAdapter {
  readonly path: string;
  /** What the adapter is called. */
  readonly name: string;
  /** The method's part of adapter_config.json, its `config`. */
  readonly config: JsonObject;
  /**
   * The tensors, by their names without the adapter's own. Those of a head that was saved beside it, which the library does
   * for every adapter, trained or not, are there to be asked for and not listed.
   */
  readonly tensors: TensorSource;
  /** Closes the weight file; tensors can't be read afterwards. */
  close(): Promise<void>;
}

/**
 * Opens an adapter that AdapterHub's `adapters`, or Tunesmith, saved.
 * @throws FILE_MISSING, FILE_INVALID; pickled weights, which `save_adapter` writes by default, are refused
 */
export async function readAdapterHubAdapter(path: string): Promise<AdapterHubAdapter> {
  const folder = await orMissing(realpath(path), 'there is no such folder', path);
  const names = await orMissing(readdir(folder), 'this is no folder', path);
  const { name, config, version } = await readJsonObject(join(folder, adapterConfigFile));
  if (typeof name !== 'string' || typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new TunesmithError('FILE_INVALID', 'this is no adapter of AdapterHub', {
      where: join(path, adapterConfigFile),
      expected: 'name and config',
    });
  }
  if (typeof version !== 'string') {
    throw new TunesmithError('FILE_INVALID', 'the adapter does not say which version wrote it', {
      where: join(path, adapterConfigFile),
      hint: 'Before version 3, adapter-transformers named activations differently: load it with adapters, and save it again.',
    });
  }
  if (!names.includes(hubWeightsFile)) throw noWeights(names, path);
  const file = await openSafetensors(join(folder, hubWeightsFile));
  const head = names.includes(hubHeadFile) ? await openSafetensors(join(folder, hubHeadFile)) : undefined;
  const close = async (): Promise<void> => {
    await file.close();
    await head?.close();
  };
  try {
    return { path: folder, name, config: config as JsonObject, tensors: withoutName(file, name, head), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function noWeights(names: readonly string[], path: string): TunesmithError {
  const pickle = names.find(isPickle);
  if (pickle === undefined) {
    return new TunesmithError('FILE_MISSING', `the adapter has no ${hubWeightsFile}`, { where: path });
  }
  return new TunesmithError('FILE_INVALID', 'this is a Python pickle, which can run any code when it is loaded', {
    where: join(path, pickle),
    expected: hubWeightsFile,
    hint: 'Where you trust it, load it with adapters and call model.save_adapter(folder, name, use_safetensors=True).',
  });
}

function withoutName(file: TensorSource, name: string, head: TensorSource | undefined): TensorSource {
  const tensors = new Map<string, StoredTensor>();
  for (const tensor of file.names()) tensors.set(fromAdapterHubName(tensor, name), file.get(tensor) as StoredTensor);
  return { names: () => [...tensors.keys()], get: (path) => tensors.get(path) ?? head?.get(path) };
}
