import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** SHA-256 of a file, or of all files of a folder and their names. */
export async function hashFiles(path: string): Promise<string> {
  const hash = createHash('sha256');
  if (!(await stat(path)).isDirectory()) {
    await pipeline(createReadStream(path), hash);
    return hash.digest('hex');
  }
  for (const name of (await readdir(path)).sort()) hash.update(`${name}\0${await hashFiles(join(path, name))}\n`);
  return hash.digest('hex');
}

/** SHA-256 of a value as JSON, in whatever order its keys were set. */
export function hashJson(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value, sortKeys)).digest('hex');
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
