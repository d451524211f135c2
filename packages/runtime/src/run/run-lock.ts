import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { z } from 'zod';
import { processStart } from './process-start.js';

const ownerSchema = z.object({ pid: z.int(), started: z.string() });
type Owner = z.output<typeof ownerSchema>;

/** A run folder that only this process writes to. */
export interface RunLock {
  release(): Promise<void>;
}

const lockFile = 'run.lock';

/**
 * Takes a run folder's lock. One that a dead process left is taken over.
 * @throws RUN_LOCKED while its process lives
 */
export async function lockRun(folder: string): Promise<RunLock> {
  const path = join(folder, lockFile);
  const mine: Owner = { pid: process.pid, started: processStart(process.pid) ?? '' };
  const draft = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  await writeFile(draft, `${JSON.stringify(mine)}\n`);
  try {
    // A link appears with its content or not at all, and fails where there is a lock already.
    while (!(await tryLink(draft, path))) await removeStaleLock(path, folder);
  } finally {
    await rm(draft, { force: true });
  }
  return { release: () => rm(path, { force: true }) };
}

/** The process that holds a run folder's lock, or null. */
export async function runOwner(folder: string): Promise<number | null> {
  const owner = await readOwner(join(folder, lockFile));
  return owner !== null && isAlive(owner) ? owner.pid : null;
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function removeStaleLock(path: string, folder: string): Promise<void> {
  const owner = await readOwner(path);
  if (owner !== null && isAlive(owner)) {
    throw new TunesmithError('RUN_LOCKED', `another process (${owner.pid}) is writing to this run`, {
      where: folder,
      hint: 'Wait for it or stop it; or choose another --output.',
    });
  }
  // Of two processes that find a dead owner, one renames the lock; the other finds it gone, or a new one to respect.
  const stale = `${path}.stale-${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, stale);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const taken = await readOwner(stale);
  if (taken !== null && isAlive(taken)) await tryLink(stale, path);
  await rm(stale, { force: true });
}

/** Null where there is no lock, or one that no writer finished. */
async function readOwner(path: string): Promise<Owner | null> {
  try {
    return ownerSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
}

function isAlive({ pid, started }: Owner): boolean {
  const start = processStart(pid);
  return start !== undefined && (start === '' || started === '' || start === started);
}
