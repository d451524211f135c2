import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { isMissing } from './missing-file.js';

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
 * Fills a new folder by `fill`, which must flush its files, and puts it at `path`; nothing changes when `fill` fails.
 * A folder that is already there is replaced if `replaces` says yes to every name in it (to none, if not given).
 * Replacing takes two renames: a process killed between them leaves the old folder under its `.tmp-` name.
 * @throws FILE_INVALID when the folder that is there holds something else
 */
export async function writeFolderAtomically(
  path: string,
  fill: (temporary: string) => Promise<void>,
  replaces: (name: string) => boolean = () => false,
): Promise<void> {
  await refuseStrangers(path, replaces);
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryPath(path);
  try {
    await mkdir(temporary);
    await fill(temporary);
    await flushFolder(temporary);
    await putInPlace(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  await flushFolder(dirname(path));
}

async function putInPlace(temporary: string, path: string): Promise<void> {
  const present = await namesIn(path);
  if (present === undefined) return rename(temporary, path);
  if (present.length === 0) {
    await rmdir(path);
    return rename(temporary, path);
  }
  const replaced = temporaryPath(path);
  await rename(path, replaced);
  try {
    await rename(temporary, path);
  } catch (error) {
    await rename(replaced, path);
    throw error;
  }
  await rm(replaced, { recursive: true, force: true });
}

async function refuseStrangers(path: string, replaces: (name: string) => boolean): Promise<void> {
  const stranger = (await namesIn(path))?.find((name) => !replaces(name));
  if (stranger === undefined) return;
  throw new TunesmithError('FILE_INVALID', `the folder already holds ${stranger}, which would be lost`, {
    where: path,
    hint: 'Choose a new or an empty folder.',
  });
}

async function namesIn(path: string): Promise<string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
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

/** Writes a new file at once and returns when it is on the disk. */
export async function writeNew(path: string, content: string | Uint8Array): Promise<void> {
  await writeFlushed(path, (handle) => handle.writeFile(content));
}

/** Makes a folder's names durable. Windows can't open folders, and keeps its own journal of names. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
