import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { contentHash } from '@tunesmith/data';

/** Names and hashes of the files that say what a model or an adapter is: weights, configs, tokenizer. */
export async function modelHashes(path: string, cacheFolder: string): Promise<string[]> {
  const isFolder = (await stat(path)).isDirectory();
  const names = isFolder ? (await readdir(path)).sort() : [basename(path)];
  const hashes: string[] = [];
  for (const name of names.filter((each) => /\.(json|safetensors|gguf|model|txt|jinja)$/.test(each))) {
    hashes.push(name, await contentHash(isFolder ? join(path, name) : path, cacheFolder));
  }
  return hashes;
}
