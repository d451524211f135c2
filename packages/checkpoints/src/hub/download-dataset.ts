import { join } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { staysInside } from '../model-folder/weight-index.js';
import type { DownloadOptions } from './download-model.js';
import { hubCache, sizeOf } from './hub-cache.js';
import { connectHub, explainHubError, isTransient } from './hub-connection.js';
import { fetchFile, listRemote, resolveCommit } from './remote-files.js';
import { addressOf, isCommit, type Repository } from './repository.js';

export interface DownloadedDataset {
  /** Where the files lie under their names. */
  readonly path: string;
  readonly commit: string;
}

/**
 * Downloads files of a data set into the Hugging Face cache, as a model's are: a broken download goes on, every file is
 * checked against the Hub's digest, and nothing is downloaded twice. Without a connection, files that are there are used.
 * @throws NAME_UNKNOWN, NETWORK, FILE_MISSING, FILE_INVALID, ABORTED
 */
export async function downloadDataset(
  name: string,
  files: readonly string[],
  options: DownloadOptions,
): Promise<DownloadedDataset> {
  const { revision = 'main', endpoint = 'https://huggingface.co', onProgress = () => {} } = options;
  const repository: Repository = { type: 'dataset', name };
  const cache = hubCache(options.cacheDir, name, repository.type);
  const odd = [revision, ...files].find((each) => !staysInside(each));
  if (odd !== undefined) {
    throw new TunesmithError('CONFIG_INVALID', 'this is no revision or file of a data set', {
      got: JSON.stringify(odd),
    });
  }
  const hub = connectHub(endpoint, options.token, options.signal);
  const known = isCommit(revision) ? revision : await cache.commitOf(revision);
  const isThere = known !== undefined && (await hasAll(cache.snapshot(known), files));
  if (isThere && known === revision) return { path: cache.snapshot(known), commit: known };
  try {
    const commit = await resolveCommit(hub, repository, revision).catch((error: unknown) => {
      if (isThere && isTransient(error) && !hub.signal?.aborted) return undefined;
      throw error;
    });
    if (commit === undefined) return { path: cache.snapshot(known as string), commit: known as string };
    const remote = await listRemote(hub, repository, commit);
    const where = addressOf(hub, repository);
    const totalBytes = files.reduce((total, file) => total + (remote.get(file)?.bytes ?? 0), 0);
    let earlierBytes = 0;
    for (const file of files) {
      const { bytes } = await fetchFile(hub, cache, { remote, commit, where }, file, (onDisk) =>
        onProgress({ file, loadedBytes: earlierBytes + onDisk, totalBytes }),
      );
      earlierBytes += bytes;
    }
    if (commit !== revision) await cache.remember(revision, commit);
    return { path: cache.snapshot(commit), commit };
  } catch (error) {
    throw explainHubError(error, repository, hub);
  }
}

async function hasAll(folder: string, files: readonly string[]): Promise<boolean> {
  const sizes = await Promise.all(files.map((file) => sizeOf(join(folder, file))));
  return sizes.every((size) => size !== undefined);
}
