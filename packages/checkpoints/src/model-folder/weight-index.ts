import { TunesmithError } from '@tunesmith/core';
import { isJsonObject, type JsonObject } from '../json/strict-json.js';
import { isPickle, pickleError } from './pickle.js';

/**
 * Reads the `weight_map` of a `model.safetensors.index.json`: which tensors each shard is to hold.
 * A shard's path must stay inside the folder under both POSIX's and Windows' reading of it.
 * @throws FILE_INVALID
 */
export function parseWeightIndex(index: JsonObject, where: string): Map<string, string[]> {
  const map = index.weight_map;
  if (!isJsonObject(map)) throw new TunesmithError('FILE_INVALID', 'the index has no weight_map', { where });
  const shards = new Map<string, string[]>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== 'string' || !staysInside(file)) {
      throw new TunesmithError('FILE_INVALID', `the index looks for ${tensor} outside of its folder`, {
        where,
        got: JSON.stringify(file),
      });
    }
    if (isPickle(file)) throw pickleError(`${where}, ${file}`);
    const tensors = shards.get(file);
    if (tensors === undefined) shards.set(file, [tensor]);
    else tensors.push(tensor);
  }
  return shards;
}

/** Whether a relative path names something below the folder that it is relative to. */
export function staysInside(path: string): boolean {
  return !/[\\\0]|^[a-zA-Z]:/.test(path) && path.split('/').every((part) => !['', '.', '..'].includes(part));
}

/** One shard to be written: which tensors it holds. */
export interface Shard<T> {
  readonly file: string;
  readonly tensors: T[];
}

/**
 * Distributes tensors over files in their order, a new file whenever the next tensor would exceed the limit, as
 * huggingface_hub's `split_torch_state_dict_into_shards` does; one file has the unsharded name.
 */
export function planShards<T extends { bytes: number }>(tensors: Iterable<T>, maxShardBytes: number): Shard<T>[] {
  const groups: T[][] = [[]];
  let filled = 0;
  for (const tensor of tensors) {
    if (filled > 0 && filled + tensor.bytes > maxShardBytes) {
      groups.push([]);
      filled = 0;
    }
    (groups.at(-1) as T[]).push(tensor);
    filled += tensor.bytes;
  }
  const five = (count: number) => String(count).padStart(5, '0');
  return groups.map((group, at) => ({
    file: groups.length === 1 ? 'model.safetensors' : `model-${five(at + 1)}-of-${five(groups.length)}.safetensors`,
    tensors: group,
  }));
}
