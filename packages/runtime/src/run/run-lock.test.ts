import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { processStart } from './process-start.js';
import { lockRun, runOwner } from './run-lock.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

const write = (owner: unknown) => writeFile(join(folder, 'run.lock'), JSON.stringify(owner));

it('is held by one, and free again after release', async () => {
  const lock = await lockRun(folder);
  expect(await runOwner(folder)).toBe(process.pid);
  await expect(lockRun(folder)).rejects.toThrow(`RUN_LOCKED at ${folder}: another process (${process.pid})`);
  await lock.release();
  expect(await runOwner(folder)).toBeNull();
  await (await lockRun(folder)).release();
  expect(await readdir(folder)).toEqual([]);
});

it('is taken over from a process that is dead', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  await write({ pid: child.pid, started: 'long ago' });
  expect(await runOwner(folder)).toBeNull();
  await (await lockRun(folder)).release();
});

it.runIf(process.platform === 'linux')(
  'is taken over where the process id belongs to another process by now',
  async () => {
    await write({ pid: process.pid, started: '1 ticks after boot x' });
    await (await lockRun(folder)).release();
    await write({ pid: process.pid, started: processStart(process.pid) });
    await expect(lockRun(folder)).rejects.toThrow('RUN_LOCKED');
  },
);

it('is taken over from a writer that did not finish it', async () => {
  await writeFile(join(folder, 'run.lock'), '{"pid":');
  await (await lockRun(folder)).release();
});

it('has one winner among many that find a dead owner, whichever way they interleave', async () => {
  for (let round = 0; round < 40; round++) {
    await write({ pid: 2 ** 22 + 1, started: '' });
    const tries = await Promise.allSettled(Array.from({ length: 12 }, () => lockRun(folder)));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await readdir(folder)).toEqual(['run.lock']);
  }
});
