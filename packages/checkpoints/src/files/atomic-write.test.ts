import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeFileAtomically, writeFolderAtomically, writeNew } from './atomic-write.js';

/** Which rename from now on fails, from 0. */
const disk = vi.hoisted(() => ({ failingRename: -1 }));
vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs/promises')>();
  const rename: typeof real.rename = async (from, to) => {
    if (disk.failingRename-- === 0) throw new Error('the disk is broken');
    await real.rename(from, to);
  };
  return { ...real, rename };
});

let home: string;
let folder: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'atomic-'));
});
beforeEach(async () => {
  disk.failingRename = -1;
  folder = join(await mkdtemp(join(home, 't-')), 'adapter');
});
afterAll(() => rm(home, { recursive: true }));

const fill = (text: string) => (temporary: string) => writeNew(join(temporary, 'a.txt'), text);
const content = () => readFile(join(folder, 'a.txt'), 'utf8');
const leftovers = async () => (await readdir(join(folder, '..'))).filter((name) => name !== 'adapter');

describe('writeFolderAtomically', () => {
  it('creates a folder, and the ones above it', async () => {
    folder = join(folder, 'deep', 'adapter');
    await writeFolderAtomically(folder, fill('1'));
    expect(await content()).toBe('1');
  });

  it('takes the place of an empty folder', async () => {
    await mkdir(folder);
    await writeFolderAtomically(folder, fill('1'));
    expect(await content()).toBe('1');
  });

  it('replaces only what it may', async () => {
    await writeFolderAtomically(folder, fill('1'));
    await expect(writeFolderAtomically(folder, fill('2'))).rejects.toThrow('already holds a.txt, which would be lost');
    await writeFolderAtomically(folder, fill('2'), (name) => name === 'a.txt');
    expect(await content()).toBe('2');
    await writeFile(join(folder, 'mine.txt'), '');
    await expect(writeFolderAtomically(folder, fill('3'), (name) => name === 'a.txt')).rejects.toThrow(
      'holds mine.txt',
    );
    expect(await leftovers()).toEqual([]);
  });

  it.each([0, 1])('keeps the old folder when its rename %i fails', async (failing) => {
    await writeFolderAtomically(folder, fill('1'));
    disk.failingRename = failing;
    await expect(writeFolderAtomically(folder, fill('2'), () => true)).rejects.toThrow('the disk is broken');
    expect(await content()).toBe('1');
    expect(await leftovers()).toEqual([]);
  });
});

describe('writeFileAtomically', () => {
  it('keeps the old file when the rename fails', async () => {
    await mkdir(folder);
    const path = join(folder, 'a.txt');
    await writeFileAtomically(path, (handle) => handle.writeFile('1'));
    disk.failingRename = 0;
    await expect(writeFileAtomically(path, (handle) => handle.writeFile('2'))).rejects.toThrow('the disk is broken');
    expect(await content()).toBe('1');
    expect(await readdir(folder)).toEqual(['a.txt']);
  });
});
