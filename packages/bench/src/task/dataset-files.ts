import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { downloadDataset } from '@tunesmith/checkpoints';
import { TunesmithError } from '@tunesmith/core';
import type { HubSettings } from '@tunesmith/runtime';
import type { HubDataset } from './task.js';

/** Formats that a local copy of a file may have in place of the Hub's. */
const extensions = ['.jsonl', '.json', '.parquet', '.csv', '.tsv'];

export interface DatasetFilesOptions {
  /** A folder in place of the Hub. */
  readonly path?: string;
  readonly hub?: HubSettings;
  /** For what has to be unpacked. */
  readonly cacheFolder: string;
}

/**
 * The files of a data set by what they are for, ready to be read: of a folder, where they are called as on the Hub or after
 * what they are for (`train.jsonl`), or downloaded.
 * @throws FILE_MISSING, NETWORK, CAPABILITY_MISSING
 */
export async function datasetFiles<Name extends string>(
  wanted: HubDataset<Name>,
  { path, hub, cacheFolder }: DatasetFilesOptions,
): Promise<Record<Name, string>> {
  const names = Object.keys(wanted.files) as Name[];
  const folder = path ?? (await download(wanted, hub));
  const found = {} as Record<Name, string>;
  for (const name of names) {
    const file = path === undefined ? wanted.files[name] : await localFile(path, name, wanted.files[name]);
    found[name] = await unpacked(join(folder, file), cacheFolder);
  }
  return found;
}

async function download({ name, revision, files }: HubDataset<string>, hub?: HubSettings): Promise<string> {
  if (hub === undefined) {
    throw new TunesmithError('CAPABILITY_MISSING', 'data sets are not downloaded here', {
      where: name,
      hint: 'Give the folder of its files: `{ task: …, path: … }`.',
    });
  }
  const options = { ...hub, ...(revision === undefined ? {} : { revision }) };
  return (await downloadDataset(name, Object.values(files), options)).path;
}

async function localFile(folder: string, name: string, onHub: string): Promise<string> {
  const there = (await readdir(folder, { recursive: true }).catch(() => [])).map((file) => file.replaceAll('\\', '/'));
  const wanted = [onHub, ...extensions.map((extension) => `${name}${extension}`)];
  const found = wanted.find((file) => there.includes(file));
  if (found !== undefined) return found;
  throw new TunesmithError('FILE_MISSING', `the folder has no rows for ${name}`, {
    where: folder,
    expected: wanted.join(', '),
    got: there.slice(0, 20).join(', ') || 'nothing',
  });
}

/** A file that is compressed, uncompressed once. */
async function unpacked(path: string, cacheFolder: string): Promise<string> {
  if (!path.endsWith('.gz')) return path;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const folder = join(cacheFolder, 'unpacked', hash.digest('hex').slice(0, 32));
  const name = basename(path, '.gz');
  if (!(await readdir(folder).catch(() => [] as string[])).includes(name)) {
    await mkdir(folder, { recursive: true });
    const unfinished = join(folder, `${name}.${process.pid}`);
    await pipeline(createReadStream(path), createGunzip(), createWriteStream(unfinished));
    await rename(unfinished, join(folder, name));
  }
  return join(folder, name);
}
