import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Files and folders that appear whole or not at all: written beside their place under a `.tmp-` name, flushed to disk,
 * then renamed, which the file system does in one step. A killed process leaves at most a `.tmp-` name behind.
 */

/** A name beside `path` that no other writer takes. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `${basename(path)}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** Writes a file by `fill` and puts it at `path`, replacing what is there; nothing changes when `fill` fails. */
export async function writeFileAtomically<T>(path: string, fill: (handle: FileHandle) => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryPath(path);
  try {
    const result = await writeFlushed(temporary, fill);
    await rename(temporary, path);
    await flushFolder(dirname(path));
    return result;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Fills a new folder by `fill`, which must flush its files, and puts it at `path`, where nothing or an empty folder
 * may be; nothing changes when `fill` fails.
 */
export async function createFolderAtomically<T>(path: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryPath(path);
  try {
    await mkdir(temporary);
    const result = await fill(temporary);
    await flushFolder(temporary);
    await rename(temporary, path);
    await flushFolder(dirname(path));
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Creates a file, fills it, and returns when its bytes are on the disk. */
export async function writeFlushed<T>(path: string, fill: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(path, 'wx');
  try {
    const result = await fill(handle);
    await handle.sync();
    return result;
  } finally {
    await handle.close();
  }
}

/** Makes a folder's names durable. Windows can't open folders, and keeps its own journal of names. */
export async function flushFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
