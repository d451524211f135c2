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
    await take(path, draft, folder);
  } finally {
    await rm(draft, { force: true });
  }
  return { release: () => rm(path, { force: true }) };
}

/**
 * Makes `path` a lock with the draft's content. A dead owner's lock is replaced only under a second lock, on the right to
 * replace that owner's: without it, one of two processes that found the same dead owner could throw out the other.
 */
async function take(path: string, draft: string, folder: string): Promise<void> {
  // A link appears with its content or not at all, and fails where there is a lock already.
  while (!(await tryLink(draft, path))) {
    const owner = await readOwner(path);
    if (owner === 'none') continue;
    if (owner !== 'damaged' && isAlive(owner)) {
      throw new TunesmithError('RUN_LOCKED', `another process (${owner.pid}) is writing to this run`, {
        where: folder,
        hint: 'Wait for it or stop it; or choose another --output.',
      });
    }
    const claim = `${path}.after-${nameOf(owner)}`;
    await take(claim, draft, folder);
    try {
      const isStill = nameOf(await readOwner(path)) === nameOf(owner);
      if (isStill) return await rename(draft, path);
    } finally {
      await rm(claim, { force: true });
    }
  }
}

/** The process that holds a run folder's lock, or null. */
export async function runOwner(folder: string): Promise<number | null> {
  const owner = await readOwner(join(folder, lockFile));
  return typeof owner !== 'string' && isAlive(owner) ? owner.pid : null;
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

/** Who wrote a lock; `damaged` where that cannot be read, which no writer of ours leaves. */
async function readOwner(path: string): Promise<Owner | 'none' | 'damaged'> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'none';
    throw error;
  }
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return 'damaged';
  }
}

function nameOf(owner: Owner | 'none' | 'damaged'): string {
  return typeof owner === 'string' ? owner : `${owner.pid}-${encodeURIComponent(owner.started)}`;
}

function isAlive({ pid, started }: Owner): boolean {
  const start = processStart(pid);
  return start !== undefined && (start === '' || started === '' || start === started);
}
