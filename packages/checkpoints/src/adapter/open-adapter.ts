import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdapterFormat, TensorSource } from '@tunesmith/core';
import { readAdapterHubAdapter } from '../adapterhub/read-adapterhub-adapter.js';
import { orMissing } from '../files/missing-file.js';
import { type JsonObject, readJsonObject } from '../json/strict-json.js';
import { readPeftAdapter } from '../peft/read-peft-adapter.js';
import { adapterConfigFile } from './adapter-files.js';
import { isAdapterHub } from './foreign-adapter.js';

/** An open adapter folder. */
export interface OpenAdapter {
  readonly path: string;
  /** Whose form it has. */
  readonly format: AdapterFormat;
  /** What it says of the method, in that form's fields. */
  readonly config: JsonObject;
  readonly tensors: TensorSource;
  close(): Promise<void>;
}

/**
 * Opens an adapter folder of PEFT's or AdapterHub's form.
 * @throws FILE_MISSING, or FILE_INVALID naming the library whose adapter it is; pickled weights are refused
 */
export async function openAdapter(path: string): Promise<OpenAdapter> {
  const names = await orMissing(readdir(path), 'there is no such folder', path);
  const config = names.includes(adapterConfigFile) ? await readJsonObject(join(path, adapterConfigFile)) : {};
  if (names.includes(adapterConfigFile) && isAdapterHub(names, config)) {
    return { format: 'adapterhub', ...(await readAdapterHubAdapter(path)) };
  }
  return { format: 'peft', ...(await readPeftAdapter(path)) };
}
