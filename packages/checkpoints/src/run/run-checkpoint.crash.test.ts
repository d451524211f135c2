import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { latestCheckpoint } from './list-checkpoints.js';
import { pruneCheckpoints } from './prune-checkpoints.js';
import { readCheckpoint } from './read-checkpoint.js';
import { type Checkpoint, writeCheckpoint } from './write-checkpoint.js';

/**
 * A disk that breaks at its k-th changing call. `once` is an error that the writer sees and cleans up after; `dead` is
 * a crash: every later call fails too, so nothing is cleaned up. A write that breaks leaves half of its bytes, a
 * removal a part of the folder. `unflushed` holds the files and folders that a loss of power could still undo.
 */
const disk = vi.hoisted(() => ({
  calls: 0,
  breakAt: Number.POSITIVE_INFINITY,
  mode: 'once' as 'once' | 'dead',
  unflushed: new Set<string>(),
}));

vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs/promises')>();
  const broken = () => {
    const call = disk.calls++;
    return disk.mode === 'once' ? call === disk.breakAt : call >= disk.breakAt;
  };
  const guard =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (broken()) throw new Error('the disk is broken');
      return call(...args);
    };
  const open = async (...args: Parameters<typeof real.open>) => {
    if (broken()) throw new Error('the disk is broken');
    const handle = await real.open(...args);
    const path = String(args[0]);
    if (args[1] === 'wx') disk.unflushed.add(path).add(dirname(path));
    return {
      stat: () => handle.stat(),
      read: handle.read.bind(handle),
      sync: guard(() => {
        disk.unflushed.delete(path);
        return handle.sync();
      }),
      close: () => handle.close(),
      write: async (bytes: Uint8Array) => {
        if (!broken()) return handle.write(bytes);
        await handle.write(bytes.subarray(0, bytes.length >> 1));
        throw new Error('the disk is broken');
      },
      writeFile: async (content: string) => {
        if (!broken()) return handle.writeFile(content);
        await handle.writeFile(content.slice(0, content.length >> 1));
        throw new Error('the disk is broken');
      },
    };
  };
  const rename = async (from: string, to: string) => {
    const early = [...disk.unflushed].filter((path) => path.startsWith(from));
    if (early.length > 0 && !to.includes('.tmp-')) throw new Error(`renamed before it was flushed: ${early}`);
    await real.rename(from, to);
    if (!to.includes('.tmp-')) disk.unflushed.add(dirname(to));
  };
  const rm = async (path: string, options: Parameters<typeof real.rm>[1]) => {
    if (!broken()) return real.rm(path, options);
    const last = (await real.readdir(path).catch(() => [])).sort().at(-1);
    if (last !== undefined) await real.rm(join(path, last));
    throw new Error('the disk is broken');
  };
  const { mkdir, rmdir } = real;
  return { ...real, open, mkdir: guard(mkdir), rename: guard(rename), rm, rmdir: guard(rmdir) };
});

const at = (step: number): Checkpoint => ({
  step,
  tensors: { weight: { shape: [64], values: new Float32Array(64).fill(step) } },
  state: { step },
  score: -step,
});

/** Runs `act` on a disk that breaks at call `breakAt`, and says whether it got through. */
async function onBrokenDisk(breakAt: number, mode: 'once' | 'dead', act: () => Promise<unknown>): Promise<boolean> {
  Object.assign(disk, { calls: 0, breakAt, mode });
  try {
    await act();
    return true;
  } catch (error) {
    if ((error as Error).message !== 'the disk is broken') throw error;
    return false;
  } finally {
    disk.breakAt = Number.POSITIVE_INFINITY;
  }
}

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'crash-'));
});
afterAll(() => rm(home, { recursive: true }));

it('is on the disk, names too, when writing has returned', async () => {
  disk.unflushed.clear();
  await writeCheckpoint(join(home, 'flushed'), at(1));
  expect([...disk.unflushed]).toEqual([]);
});

describe.each(['once', 'dead'] as const)('a disk that breaks (%s)', (mode) => {
  it.each([
    ['a new step', 2],
    ['the same step again', 1],
  ])('while %s is written leaves a checkpoint that can be read', async (_, step) => {
    let calls = Number.POSITIVE_INFINITY;
    let failures = 0;
    for (let breakAt = 0; breakAt <= calls; breakAt++) {
      const folder = await mkdtemp(join(home, 'run-'));
      await writeCheckpoint(folder, at(1));
      const again = { ...at(step), state: { again: true } };
      const written = await onBrokenDisk(breakAt, mode, () => writeCheckpoint(folder, again));
      if (written && breakAt >= disk.calls) calls = disk.calls;
      if (!written) failures++;

      const latest = await readCheckpoint((await latestCheckpoint(folder)) as string);
      expect([at(1), again]).toContainEqual(latest);
      if (written) expect(latest).toEqual(again);

      await writeCheckpoint(folder, at(3));
      expect(await readCheckpoint((await latestCheckpoint(folder)) as string)).toEqual(at(3));
      expect((await readdir(folder)).filter((name) => name.includes('.tmp-'))).toEqual([]);
    }
    // Three files and two folders are created, filled, flushed and put in place.
    expect(failures).toBeGreaterThanOrEqual(14);
  });

  it('while checkpoints are removed leaves the kept ones, and no half of one', async () => {
    let calls = Number.POSITIVE_INFINITY;
    let failures = 0;
    for (let breakAt = 0; breakAt <= calls; breakAt++) {
      const folder = await mkdtemp(join(home, 'run-'));
      for (const step of [1, 2, 3, 4]) await writeCheckpoint(folder, at(step));
      const pruned = await onBrokenDisk(breakAt, mode, () => pruneCheckpoints(folder, { keepLast: 2 }));
      if (pruned && breakAt >= disk.calls) calls = disk.calls;
      if (!pruned) failures++;
      const finished = (await readdir(folder)).filter((name) => !name.includes('.tmp-'));
      expect(finished.slice(-2)).toEqual(['step-00000003', 'step-00000004']);
      for (const name of finished) await readCheckpoint(join(folder, name));
    }
    expect(failures).toBe(4);
  });
});
