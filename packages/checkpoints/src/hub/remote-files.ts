import type { ListFileEntry } from '@huggingface/hub';
import { TunesmithError } from '@tunesmith/core';
import { fetchBlob, type RemoteFile } from './fetch-blob.js';
import type { HubCache } from './hub-cache.js';
import type { HubConnection } from './hub-connection.js';
import { addressOf, isCommit, type Repository } from './repository.js';

/** The commit that a branch or tag stands for. */
export async function resolveCommit(hub: HubConnection, repository: Repository, revision: string): Promise<string> {
  const { datasetInfo, modelInfo } = await import('@huggingface/hub');
  const asked = { name: repository.name, revision, hubUrl: hub.endpoint, fetch: hub.fetch };
  const { sha } =
    repository.type === 'model'
      ? await modelInfo({ ...asked, additionalFields: ['sha'] })
      : await datasetInfo({ ...asked, additionalFields: ['sha'] });
  if (typeof sha === 'string' && isCommit(sha)) return sha;
  throw new TunesmithError('NETWORK', 'the Hub names no commit', {
    where: addressOf(hub, repository),
    got: String(sha),
  });
}

/** The files of a repository at a commit, by name. */
export async function listRemote(
  hub: HubConnection,
  repository: Repository,
  commit: string,
): Promise<Map<string, RemoteFile>> {
  const { listFiles } = await import('@huggingface/hub');
  const files = new Map<string, RemoteFile>();
  const listing = { repo: repository, revision: commit, recursive: true, hubUrl: hub.endpoint, fetch: hub.fetch };
  for await (const entry of listFiles(listing)) {
    const digest = digestIn(entry);
    if (entry.type !== 'file' || digest === undefined) continue;
    const path = entry.path.split('/').map(encodeURIComponent).join('/');
    const url = `${addressOf(hub, repository)}/resolve/${commit}/${path}`;
    files.set(entry.path, { url, bytes: entry.size, digest });
  }
  return files;
}

/** Downloads one of these files into the cache. @throws FILE_MISSING where it is none of them */
export async function fetchFile(
  hub: HubConnection,
  cache: HubCache,
  { remote, commit, where }: { remote: ReadonlyMap<string, RemoteFile>; commit: string; where: string },
  file: string,
  onBytes: (onDisk: number) => void = () => {},
): Promise<RemoteFile> {
  const entry = remote.get(file);
  if (entry === undefined) throw new TunesmithError('FILE_MISSING', `the repository has no ${file}`, { where });
  await fetchBlob(hub, entry, cache.blob(entry.digest.hex), onBytes);
  await cache.link(commit, file, entry.digest.hex);
  return entry;
}

function digestIn({ lfs, oid }: ListFileEntry): RemoteFile['digest'] | undefined {
  const digest =
    lfs === undefined ? { kind: 'git' as const, hex: oid ?? '' } : { kind: 'sha256' as const, hex: lfs.oid };
  // The digest becomes a file's name, so nothing else may stand in its place.
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(digest.hex) ? digest : undefined;
}
