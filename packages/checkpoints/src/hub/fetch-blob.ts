import { mkdir, open, rename, rm, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { fileSink } from '../files/byte-sink.js';
import { type Digest, digestOf } from './digest.js';
import { sizeOf } from './hub-cache.js';
import { backOff, CutOffError, type HubConnection, HubStatusError, isTransient } from './hub-connection.js';

export interface RemoteFile {
  readonly url: string;
  readonly bytes: number;
  readonly digest: Digest;
}

/** A connection may break this often in a row without bringing a byte. */
const mostFailures = 5;

/**
 * Downloads a file to `path`, going on from `<path>.incomplete` where an earlier attempt left one, and puts it in place
 * once its digest is right.
 * @param onBytes told how many bytes of the file are on disk
 * @throws FILE_INVALID when the content is not what the Hub says
 */
export async function fetchBlob(
  hub: HubConnection,
  file: RemoteFile,
  path: string,
  onBytes: (onDisk: number) => void,
): Promise<void> {
  if ((await sizeOf(path)) === file.bytes) {
    onBytes(file.bytes);
    return;
  }
  const partial = `${path}.incomplete`;
  await mkdir(dirname(path), { recursive: true });
  const resumed = ((await sizeOf(partial)) ?? 0) > 0;
  await fetchRest(hub, file, partial, onBytes);
  if (!(await isRight(file, partial)) && resumed) {
    // What lay there was another file's, or two processes wrote to it: once more, from the start.
    await rm(partial);
    await fetchRest(hub, file, partial, onBytes);
  }
  if (!(await isRight(file, partial))) {
    await rm(partial);
    throw new TunesmithError('FILE_INVALID', 'the download is not what the Hub says', {
      where: file.url,
      expected: `${file.digest.kind === 'git' ? 'git SHA-1' : 'SHA-256'} ${file.digest.hex}`,
      hint: 'Try again, and not from two processes at once; if it stays so, the server or a proxy changes the file.',
    });
  }
  await rename(partial, path);
}

async function isRight({ bytes, digest }: RemoteFile, path: string): Promise<boolean> {
  return (await sizeOf(path)) === bytes && (await digestOf(path, digest.kind, bytes)) === digest.hex;
}

/** Appends what is missing, taking the connection up again whenever it breaks. */
async function fetchRest(
  hub: HubConnection,
  file: RemoteFile,
  partial: string,
  onBytes: (onDisk: number) => void,
): Promise<void> {
  let failures = 0;
  for (;;) {
    const before = (await sizeOf(partial)) ?? 0;
    if (before > file.bytes) await truncate(partial, 0);
    try {
      return await append(hub, file, partial, onBytes);
    } catch (error) {
      if (hub.signal?.aborted || !isTransient(error)) throw error;
      failures = ((await sizeOf(partial)) ?? 0) > before ? 1 : failures + 1;
      if (failures > mostFailures) throw error;
      await backOff(failures, hub.signal);
    }
  }
}

async function append(
  hub: HubConnection,
  { url, bytes }: RemoteFile,
  partial: string,
  onBytes: (onDisk: number) => void,
): Promise<void> {
  const handle = await open(partial, 'a');
  try {
    let onDisk = (await handle.stat()).size;
    onBytes(onDisk);
    if (onDisk < bytes) {
      // A compressed answer could not be taken up again in the middle.
      const headers = { 'Accept-Encoding': 'identity', ...(onDisk === 0 ? {} : { Range: `bytes=${onDisk}-` }) };
      const response = await hub.fetch(url, { headers });
      if (!response.ok || response.body === null) throw new HubStatusError(response.status, url);
      if (onDisk > 0 && response.status !== 206) {
        // The server sends all of it whatever is asked for.
        await handle.truncate(0);
        onDisk = 0;
      }
      const write = fileSink(handle);
      for await (const chunk of response.body) {
        await write(chunk);
        onDisk += chunk.length;
        onBytes(onDisk);
      }
      if (onDisk < bytes) throw new CutOffError(`${url} ended after ${onDisk} of ${bytes} bytes`);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}
