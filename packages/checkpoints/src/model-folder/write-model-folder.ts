import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type StoredTensor, TunesmithError } from '@tunesmith/core';
import { writeFlushed, writeFolderAtomically, writeNew } from '../files/atomic-write.js';
import { fileSink } from '../files/byte-sink.js';
import { orMissing } from '../files/missing-file.js';
import { formatJson, type JsonObject } from '../json/strict-json.js';
import { tensorBytes } from '../safetensors/header.js';
import { streamSafetensors } from '../safetensors/write-safetensors.js';
import { configText } from './config-text.js';
import { configFile, generationConfigFile, tokenizerFiles, weightIndexFile } from './folder-files.js';
import { planShards } from './weight-index.js';

export interface ModelFolderContents {
  readonly config: JsonObject;
  readonly tensors: Iterable<StoredTensor> | AsyncIterable<StoredTensor>;
  /** Files to write beside the weights, by name, which may lie in folders of their own. */
  readonly files?: Readonly<Record<string, JsonObject | readonly JsonObject[]>>;
  /** A model folder whose tokenizer files and generation_config.json are taken over, but for those of `files`. */
  readonly copyFrom?: string;
  /** Weights above this are split over several files with an index; 5 GB by default, as transformers long had it. */
  readonly maxShardBytes?: number;
}

/**
 * Writes a model folder that transformers loads. It appears whole or not at all, and one tensor is in memory at a time.
 * @throws FILE_INVALID when `path` is a folder that is not empty
 */
export async function writeModelFolder(path: string, contents: ModelFolderContents): Promise<void> {
  await writeFolderAtomically(path, async (folder) => {
    await writeNew(join(folder, configFile), configText(contents.config));
    for (const [name, json] of Object.entries(contents.files ?? {})) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeNew(join(folder, name), formatJson(json));
    }
    await writeWeights(folder, contents);
    if (contents.copyFrom !== undefined)
      await copyTokenizer(contents.copyFrom, folder, Object.keys(contents.files ?? {}));
  });
}

async function writeWeights(folder: string, contents: ModelFolderContents): Promise<void> {
  const sized: (StoredTensor & { bytes: number })[] = [];
  const seen = new Set<string>();
  for await (const tensor of contents.tensors) {
    const { name, dtype, shape } = tensor;
    if (seen.has(name)) throw new TunesmithError('FILE_INVALID', 'two tensors have this name', { where: name });
    seen.add(name);
    sized.push({ name, dtype, shape, read: () => tensor.read(), bytes: tensorBytes(dtype, shape) });
  }
  const shards = planShards(sized, contents.maxShardBytes ?? 5e9);
  for (const { file, tensors } of shards) {
    await writeFlushed(join(folder, file), (handle) => streamSafetensors(fileSink(handle), tensors));
  }
  if (shards.length === 1) return;
  const index = {
    metadata: { total_size: sized.reduce((total, { bytes }) => total + bytes, 0) },
    weight_map: Object.fromEntries(shards.flatMap(({ file, tensors }) => tensors.map(({ name }) => [name, file]))),
  };
  await writeNew(join(folder, weightIndexFile), formatJson(index, { sortKeys: true }));
}

async function copyTokenizer(from: string, to: string, written: readonly string[]): Promise<void> {
  const present = await orMissing(readdir(from), 'there is no such folder', from);
  const names = [generationConfigFile, ...tokenizerFiles];
  for (const name of names.filter((each) => present.includes(each) && !written.includes(each))) {
    await writeNew(join(to, name), await readFile(join(from, name)));
  }
}
