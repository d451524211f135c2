import { readPeftAdapter } from '@tunesmith/checkpoints';
import { type AdapterPool, createAdapterPool } from '@tunesmith/core';
import type { MethodLookup } from '../plugins/load-offers.js';
import { describeAdapter } from './adapter-folder.js';
import { baseFor } from './base-options.js';
import { type LoadedModel, loadModel } from './load-model.js';
import { locateModel } from './locate-model.js';
import { methodFor, type OpenModelOptions } from './open-model.js';

export interface OpenPoolOptions extends Omit<OpenModelOptions, 'adapters'> {
  /** Folders of adapters, by the names that generations ask for. */
  readonly adapters: Readonly<Record<string, string>>;
}

/** A base with adapters beside each other, each used by those who name it. */
export interface PooledModel extends LoadedModel {
  readonly pool: AdapterPool;
}

/** Loads a model and reads adapters, none of which acts until it is asked for. */
export async function openAdapterPool(options: OpenPoolOptions): Promise<PooledModel> {
  const { adapters, engine, lookup, onPhase = () => {}, signal } = options;
  const described = await Promise.all(Object.values(adapters).map(describeAdapter));
  const { quantization, ...model } = baseFor(options.model, described);
  const { path } = await locateModel(model, engine.hub, onPhase, signal);
  onPhase('loading the model');
  const backend = await engine.createBackend(options.device);
  const { dtype, resizeVocabulary } = model;
  const loaded = await loadModel({
    ...{ path, dtype, quantization, resizeVocabulary, backend, families: engine.families },
  });
  try {
    const { parameters, config } = loaded;
    const { family } = loaded.model;
    const pool = createAdapterPool({ family, config: family.parseConfig(config), parameters });
    for (const [name, folder] of Object.entries(adapters)) await addAdapterFolder(pool, name, folder, lookup);
    return { ...loaded, pool };
  } catch (error) {
    loaded.dispose();
    throw error;
  }
}

/** Reads an adapter folder into a pool, by the installed method that reads it: also while others are in use. */
export async function addAdapterFolder(
  pool: AdapterPool,
  name: string,
  path: string,
  lookup: MethodLookup,
): Promise<void> {
  const described = await describeAdapter(path);
  const method = await methodFor(described, lookup);
  const { tensors, close } = await readPeftAdapter(described.path);
  try {
    await pool.add(name, [{ method, tensors }]);
  } finally {
    await close();
  }
}
