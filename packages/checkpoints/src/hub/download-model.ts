import type { ListFileEntry } from '@huggingface/hub';
import { TunesmithError } from '@tunesmith/core';
import { readJsonObject } from '../json/strict-json.js';
import { parseWeightIndex, staysInside } from '../model-folder/weight-index.js';
import { fetchBlob, type RemoteFile } from './fetch-blob.js';
import { type HubCache, hubCache, isComplete } from './hub-cache.js';
import { connectHub, explainHubError, type HubConnection, isTransient } from './hub-connection.js';
import { neededFiles } from './needed-files.js';

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
  const cache = hubCache(options.cacheDir, name);
  if (!staysInside(revision)) {
    throw new TunesmithError('CONFIG_INVALID', 'this is no revision', { got: JSON.stringify(revision) });
  }
  const hub = connectHub(endpoint, options.token, options.signal);
  const cached = await cachedSnapshot(cache, revision);
  if (cached?.commit === revision) return cached;
  try {
    const commit = await resolveCommit(hub, name, revision).catch((error: unknown) => {
      if (cached !== undefined && isTransient(error) && !hub.signal?.aborted) return undefined;
      throw error;
    });
    if (commit === undefined) return cached as DownloadedModel;
    await downloadSnapshot(hub, cache, name, commit, options.onProgress ?? (() => {}));
    if (commit !== revision) await cache.remember(revision, commit);
    return { path: cache.snapshot(commit), commit };
  } catch (error) {
    throw explainHubError(error, name, hub);
  }
}

/** The snapshot that a revision last stood for, if it is whole; a commit stands for itself. */
async function cachedSnapshot(cache: HubCache, revision: string): Promise<DownloadedModel | undefined> {
  const commit = isCommit(revision) ? revision : await cache.commitOf(revision);
  if (commit === undefined || !isCommit(commit)) return undefined;
  const path = cache.snapshot(commit);
  return (await isComplete(path)) ? { path, commit } : undefined;
}

function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

async function resolveCommit(hub: HubConnection, name: string, revision: string): Promise<string> {
  const { modelInfo } = await import('@huggingface/hub');
  const { sha } = await modelInfo({
    name,
    revision,
    additionalFields: ['sha'],
    hubUrl: hub.endpoint,
    fetch: hub.fetch,
  });
  if (typeof sha === 'string' && isCommit(sha)) return sha;
  throw new TunesmithError('NETWORK', 'the Hub names no commit', {
    where: `${hub.endpoint}/${name}`,
    got: String(sha),
  });
}

async function downloadSnapshot(
  hub: HubConnection,
  cache: HubCache,
  name: string,
  commit: string,
  onProgress: (progress: DownloadProgress) => void,
): Promise<void> {
  const remote = await listRemote(hub, name, commit);
  const where = `${hub.endpoint}/${name}`;
  const { small, weights } = neededFiles([...remote.keys()], where);
  const fetchFile = async (file: string, onBytes: (onDisk: number) => void) => {
    const entry = remote.get(file);
    if (entry === undefined) throw new TunesmithError('FILE_MISSING', `the repository has no ${file}`, { where });
    await fetchBlob(hub, entry, cache.blob(entry.digest.hex), onBytes);
    await cache.link(commit, file, entry.digest.hex);
    return entry;
  };

  const files = [...small];
  if ('file' in weights) files.push(weights.file);
  else {
    const { digest } = await fetchFile(weights.index, () => {});
    const index = await readJsonObject(cache.blob(digest.hex));
    files.push(...parseWeightIndex(index, `${where}/${weights.index}`).keys());
  }

  const totalBytes = files.reduce((total, file) => total + (remote.get(file)?.bytes ?? 0), 0);
  let earlierBytes = 0;
  for (const file of files) {
    const { bytes } = await fetchFile(file, (onDisk) => {
      onProgress({ file, loadedBytes: earlierBytes + onDisk, totalBytes });
    });
    earlierBytes += bytes;
  }
}

async function listRemote(hub: HubConnection, name: string, commit: string): Promise<Map<string, RemoteFile>> {
  const { listFiles } = await import('@huggingface/hub');
  const files = new Map<string, RemoteFile>();
  const repo = { type: 'model', name } as const;
  const listing = { repo, revision: commit, recursive: true, hubUrl: hub.endpoint, fetch: hub.fetch };
  for await (const entry of listFiles(listing)) {
    const digest = digestIn(entry);
    if (entry.type !== 'file' || digest === undefined) continue;
    const path = entry.path.split('/').map(encodeURIComponent).join('/');
    files.set(entry.path, { url: `${hub.endpoint}/${name}/resolve/${commit}/${path}`, bytes: entry.size, digest });
  }
  return files;
}

function digestIn({ lfs, oid }: ListFileEntry): RemoteFile['digest'] | undefined {
  const digest =
    lfs === undefined ? { kind: 'git' as const, hex: oid ?? '' } : { kind: 'sha256' as const, hex: lfs.oid };
  // The digest becomes a file's name, so nothing else may stand in its place.
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(digest.hex) ? digest : undefined;
}
