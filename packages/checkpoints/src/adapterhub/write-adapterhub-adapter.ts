import { join } from 'node:path';
import { type StoredTensor, TunesmithError } from '@tunesmith/core';
import { adapterConfigFile, hubWeightsFile } from '../adapter/adapter-files.js';
import { writeAdapterFolder } from '../adapter/write-adapter-folder.js';
import { formatJson, type JsonObject } from '../json/strict-json.js';
import { toAdapterHubName } from './adapterhub-names.js';

/** The version of AdapterHub's library whose form this is; its first word tells it from adapter-transformers'. */
const hubVersion = 'adapters.1.3.0';

export interface AdapterHubContents {
  /** What the adapter is called, in its config and in the names of its tensors. */
  readonly name: string;
  /** The method's own part of the config. */
  readonly config: JsonObject;
  /** The base model, as transformers names it. */
  readonly model: {
    readonly type: string;
    readonly class: string;
    readonly name: string;
    readonly hiddenSize: number;
  };
  /** By their names without the adapter's, such as `….adapters.adapter_up.weight`. */
  readonly tensors: Iterable<StoredTensor> | AsyncIterable<StoredTensor>;
  /** The text of `tunesmith.json`, which a `VersionedJson` formats. */
  readonly manifest?: string;
}

/**
 * Writes an adapter folder that AdapterHub's `adapters` loads with `load_adapter(path, use_safetensors=True)`. It appears
 * whole or not at all.
 * @throws DATA_INVALID when there is no tensor or all of them are zero
 */
export async function writeAdapterHubAdapter(path: string, contents: AdapterHubContents): Promise<void> {
  const { name, config, model, tensors, manifest } = contents;
  if (!/^[^\s./]+$/.test(name)) {
    throw new TunesmithError('CONFIG_INVALID', `"${name}" is no name for an adapter of AdapterHub`, {
      where: join(path, adapterConfigFile),
      expected: 'no dot, which would end a part of a tensor name, no slash and no space',
    });
  }
  const file = {
    model_type: model.type,
    model_class: model.class,
    model_name: model.name,
    hidden_size: model.hiddenSize,
    name,
    config,
    version: hubVersion,
  };
  await writeAdapterFolder(path, {
    weightsFile: hubWeightsFile,
    config: withFloatScaling(formatJson(file, { sortKeys: true })),
    tensors: renamed(tensors, name),
    ...(manifest === undefined ? {} : { manifest }),
  });
}

/** AdapterHub takes a `scaling` that Python reads as an integer for an unknown kind of scaling. */
function withFloatScaling(json: string): string {
  return json.replace(/("scaling": -?\d+)(,?\n)/, '$1.0$2');
}

async function* renamed(
  tensors: Iterable<StoredTensor> | AsyncIterable<StoredTensor>,
  name: string,
): AsyncGenerator<StoredTensor> {
  for await (const tensor of tensors) {
    const { dtype, shape } = tensor;
    yield { name: toAdapterHubName(tensor.name, name), dtype, shape, read: () => tensor.read() };
  }
}
