import { TunesmithError } from '@tunesmith/core';
import { readJsonObject } from '../json/strict-json.js';
import { parseWeightIndex, staysInside } from '../model-folder/weight-index.js';
import { type HubCache, hubCache, isComplete } from './hub-cache.js';
import { connectHub, explainHubError, type HubConnection, isTransient } from './hub-connection.js';
import { neededFiles } from './needed-files.js';
import { fetchFile, listRemote, resolveCommit } from './remote-files.js';
import { addressOf, isCommit, type Repository } from './repository.js';

export interface DownloadOptions {
  /** The Hugging Face cache to download into, shared with Python's: `~/.cache/huggingface/hub` by convention. */
  readonly cacheDir: string;
  /** A branch, tag or commit; `main` by default. */
  readonly revision?: string;
  /** `https://huggingface.co` by default. */
  readonly endpoint?: string;
  /** Sent to the endpoint only. */
  readonly token?: string;
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
}

export interface DownloadProgress {
  /** The file that is being downloaded. */
  readonly file: string;
  /** Of all files together, those that were there already included. */
  readonly loadedBytes: number;
  readonly totalBytes: number;
}

export interface DownloadedModel {
  /** The snapshot's folder, for `openModelFolder`. */
  readonly path: string;
  /** What the revision stood for: recorded in a recipe, it makes the download repeatable. */
  readonly commit: string;
}

/**
 * Downloads what a model folder needs (config, tokenizer, safetensors; never pickles) into the Hugging Face cache. An
 * interrupted download goes on where it stopped, every file is checked against the Hub's digest, and nothing is
 * downloaded twice. Without a connection, a snapshot that was downloaded before is used.
 * @throws NAME_UNKNOWN, NETWORK, FILE_MISSING, FILE_INVALID for a wrong digest or pickled weights, ABORTED
 */
export async function downloadModel(name: string, options: DownloadOptions): Promise<DownloadedModel> {
  const { revision = 'main', endpoint = 'https://huggingface.co' } = options;
  const repository: Repository = { type: 'model', name };
  const cache = hubCache(options.cacheDir, name, repository.type);
  if (!staysInside(revision)) {
    throw new TunesmithError('CONFIG_INVALID', 'this is no revision', { got: JSON.stringify(revision) });
  }
  const hub = connectHub(endpoint, options.token, options.signal);
  const cached = await cachedSnapshot(cache, revision);
  if (cached?.commit === revision) return cached;
  try {
    const commit = await resolveCommit(hub, repository, revision).catch((error: unknown) => {
      if (cached !== undefined && isTransient(error) && !hub.signal?.aborted) return undefined;
      throw error;
    });
    if (commit === undefined) return cached as DownloadedModel;
    await downloadSnapshot(hub, cache, repository, commit, options.onProgress ?? (() => {}));
    if (commit !== revision) await cache.remember(revision, commit);
    return { path: cache.snapshot(commit), commit };
  } catch (error) {
    throw explainHubError(error, repository, hub);
  }
}

/** The snapshot that a revision last stood for, if it is whole; a commit stands for itself. */
async function cachedSnapshot(cache: HubCache, revision: string): Promise<DownloadedModel | undefined> {
  const commit = isCommit(revision) ? revision : await cache.commitOf(revision);
  if (commit === undefined || !isCommit(commit)) return undefined;
  const path = cache.snapshot(commit);
  return (await isComplete(path)) ? { path, commit } : undefined;
}

async function downloadSnapshot(
  hub: HubConnection,
  cache: HubCache,
  repository: Repository,
  commit: string,
  onProgress: (progress: DownloadProgress) => void,
): Promise<void> {
  const remote = await listRemote(hub, repository, commit);
  const where = addressOf(hub, repository);
  const { small, weights } = neededFiles([...remote.keys()], where);
  const snapshot = { remote, commit, where };

  const files = [...small];
  if ('file' in weights) files.push(weights.file);
  else {
    const { digest } = await fetchFile(hub, cache, snapshot, weights.index);
    const index = await readJsonObject(cache.blob(digest.hex));
    files.push(...parseWeightIndex(index, `${where}/${weights.index}`).keys());
  }

  const totalBytes = files.reduce((total, file) => total + (remote.get(file)?.bytes ?? 0), 0);
  let earlierBytes = 0;
  for (const file of files) {
    const { bytes } = await fetchFile(hub, cache, snapshot, file, (onDisk) => {
      onProgress({ file, loadedBytes: earlierBytes + onDisk, totalBytes });
    });
    earlierBytes += bytes;
  }
}
