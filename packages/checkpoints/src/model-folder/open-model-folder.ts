import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Int8Options, type TensorSource, TunesmithError } from '@tunesmith/core';
import { readBitsandbytes } from '../bitsandbytes/read-bitsandbytes.js';
import { orMissing } from '../files/missing-file.js';
import { isJsonObject, type JsonObject, readJsonObject } from '../json/strict-json.js';
import { openSafetensors, type SafetensorsFile } from '../safetensors/open-safetensors.js';
import { configFile, generationConfigFile, tokenizerFiles, weightIndexFile, weightsFile } from './folder-files.js';
import { isPickle, pickleError } from './pickle.js';
import { parseWeightIndex } from './weight-index.js';

/** An open Hugging Face model folder. */
export interface ModelFolder {
  /** The folder itself, symbolic links resolved. */
  readonly path: string;
  /** config.json, without the `quantization_config` of codes that `tensors` decodes. */
  readonly config: JsonObject;
  readonly generationConfig: JsonObject | undefined;
  /** The tensors of all weight files together; matrices that bitsandbytes quantised have `codes`. */
  readonly tensors: TensorSource;
  /** Paths of the weight files. */
  readonly weightFiles: readonly string[];
  /** Paths of the tokenizer's files that are there, by name: `tokenizerFiles['tokenizer.json']`. */
  readonly tokenizerFiles: Readonly<Record<string, string>>;
  /** Closes the weight files; tensors can't be read afterwards. */
  close(): Promise<void>;
}

/**
 * Opens a model folder as transformers writes it, or a snapshot in the Hugging Face cache: `config.json` and
 * `model.safetensors`, or the shards that `model.safetensors.index.json` names. Reads headers, not weights.
 * @throws FILE_MISSING or FILE_INVALID naming the file; pickled weights are refused
 */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  const hint = 'Give the folder of a model that transformers saved.';
  const folder = await orMissing(realpath(path), 'there is no such folder', path, hint);
  const names = await orMissing(readdir(folder), 'this is no folder', path, hint);
  if (!names.includes(configFile)) {
    throw new TunesmithError('FILE_MISSING', `the folder has no ${configFile}`, { where: path, hint });
  }
  const present = (name: string) => (names.includes(name) ? join(folder, name) : undefined);
  const { quantization_config: quantized, ...config } = await readJsonObject(join(folder, configFile));
  const generationConfig = present(generationConfigFile);
  const files = await openWeights(folder, names);
  try {
    return {
      path: folder,
      config: isBitsandbytes(quantized) || quantized == null ? config : { ...config, quantization_config: quantized },
      generationConfig: generationConfig === undefined ? undefined : await readJsonObject(generationConfig),
      tensors: isBitsandbytes(quantized)
        ? await readBitsandbytes(uniteSources(files), int8OptionsOf(quantized))
        : uniteSources(files),
      weightFiles: files.map((file) => file.path),
      tokenizerFiles: Object.fromEntries(
        tokenizerFiles.filter((name) => names.includes(name)).map((name) => [name, join(folder, name)]),
      ),
      close: () => closeAll(files),
    };
  } catch (error) {
    await closeAll(files);
    throw error;
  }
}

async function openWeights(folder: string, names: readonly string[]): Promise<SafetensorsFile[]> {
  // One file goes before an index, as in transformers.
  if (names.includes(weightsFile)) return [await openSafetensors(join(folder, weightsFile))];
  if (names.includes(weightIndexFile)) return openShards(folder);
  const pickle = names.find((name) => name.startsWith('pytorch_model') && isPickle(name)) ?? names.find(isPickle);
  if (pickle !== undefined) throw pickleError(join(folder, pickle));
  throw new TunesmithError('FILE_MISSING', 'the folder holds no weights', {
    where: folder,
    expected: `${weightsFile} or ${weightIndexFile}`,
    got: names.filter((name) => name.includes('.')).join(', '),
  });
}

async function openShards(folder: string): Promise<SafetensorsFile[]> {
  const indexPath = join(folder, weightIndexFile);
  const shards = parseWeightIndex(await readJsonObject(indexPath), indexPath);
  const files: SafetensorsFile[] = [];
  try {
    for (const [name, tensors] of shards) {
      const path = join(folder, name);
      await orMissing(
        stat(path),
        `a shard that ${weightIndexFile} names is missing`,
        path,
        'Download the model again.',
      );
      const file = await openSafetensors(path);
      files.push(file);
      const absent = tensors.find((tensor) => file.get(tensor) === undefined);
      if (absent !== undefined) {
        throw new TunesmithError('FILE_INVALID', `${weightIndexFile} says that ${absent} is here`, {
          where: path,
          got: 'no such tensor',
        });
      }
    }
    return files;
  } catch (error) {
    await closeAll(files);
    throw error;
  }
}

/** transformers wrote no `quant_method` before 4.35. */
function isBitsandbytes(quantized: unknown): quantized is JsonObject {
  if (!isJsonObject(quantized)) return false;
  const { quant_method: method, load_in_4bit: four, load_in_8bit: eight } = quantized;
  return method === 'bitsandbytes' || (method === undefined && (four === true || eight === true));
}

/** How a checkpoint of 8 bits wants its codes multiplied. */
function int8OptionsOf({ llm_int8_threshold: outlierThreshold }: JsonObject): Int8Options {
  return typeof outlierThreshold === 'number' && outlierThreshold >= 0 ? { outlierThreshold } : {};
}

/** All tensors of several files; what an index does not mention is loaded too, as transformers does. */
function uniteSources(files: readonly SafetensorsFile[]): TensorSource {
  const owners = new Map<string, SafetensorsFile>();
  for (const file of files) {
    for (const name of file.names()) {
      const other = owners.get(name);
      if (other !== undefined) {
        throw new TunesmithError('FILE_INVALID', `${name} is also in ${other.path}`, { where: file.path });
      }
      owners.set(name, file);
    }
  }
  return { names: () => [...owners.keys()], get: (name) => owners.get(name)?.get(name) };
}

async function closeAll(files: readonly SafetensorsFile[]): Promise<void> {
  await Promise.all(files.map((file) => file.close()));
}
