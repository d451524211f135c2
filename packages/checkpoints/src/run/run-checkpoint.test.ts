import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { latestCheckpoint, listCheckpoints } from './list-checkpoints.js';
import { pruneCheckpoints } from './prune-checkpoints.js';
import { readCheckpoint } from './read-checkpoint.js';
import { type Checkpoint, writeCheckpoint } from './write-checkpoint.js';

let home: string;
let folder: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'checkpoints-'));
});
beforeEach(async () => {
  folder = await mkdtemp(join(home, 'run-'));
});
afterAll(() => rm(home, { recursive: true }));

const at = (step: number, score?: number): Checkpoint => ({
  step,
  tensors: {
    'b.weight': { shape: [2, 2], values: Float32Array.of(step, -0, 1e-45, Number.NaN) },
    'a.weight': { shape: [], values: Float32Array.of(step / 3) },
    empty: { shape: [0], values: new Float32Array() },
  },
  state: { position: { row: step * 7 }, seen: [1, 2.5], note: 'é' },
  score,
});
const steps = async () => (await listCheckpoints(folder)).map(({ step }) => step);

describe('writeCheckpoint and readCheckpoint', () => {
  it('give back every bit', async () => {
    const path = await writeCheckpoint(folder, at(42, 1.25));
    expect(path).toBe(join(folder, 'step-00000042'));
    const checkpoint = await readCheckpoint(path);
    expect(checkpoint).toEqual(at(42, 1.25));
    expect(Object.is(checkpoint.tensors['b.weight']?.values[1], -0)).toBe(true);
  });

  it('refuse a state that JSON would change, and leave nothing behind', async () => {
    await expect(writeCheckpoint(folder, { ...at(1), state: { best: Number.POSITIVE_INFINITY } })).rejects.toThrow(
      'DATA_INVALID at best: JSON cannot hold this value; got Infinity.',
    );
    expect(await readdir(folder)).toEqual([]);
  });

  it('write a step again beside the first, then remove the first', async () => {
    await writeCheckpoint(folder, at(5, 3));
    const second = await writeCheckpoint(folder, at(5, 2));
    const third = await writeCheckpoint(folder, at(5, 1));
    expect([second, third]).toEqual([join(folder, 'step-00000005-2'), join(folder, 'step-00000005-3')]);
    expect(await readdir(folder)).toEqual(['step-00000005-3']);
    expect((await readCheckpoint(third)).score).toBe(1);
  });

  it.each(['tensors.safetensors', 'state.json'])('notice one changed byte in %s', async (name) => {
    const path = await writeCheckpoint(folder, at(1));
    const bytes = await readFile(join(path, name));
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 1;
    await writeFile(join(path, name), bytes);
    await expect(readCheckpoint(path)).rejects.toThrow(
      /FILE_INVALID at .*: the file is not what was written.*Remove this/,
    );
    await rm(join(path, name));
    await expect(readCheckpoint(path)).rejects.toThrow(`FILE_MISSING at ${join(path, name)}`);
  });

  it('refuse a checkpoint of a newer Tunesmith', async () => {
    const path = await writeCheckpoint(folder, at(1));
    const summary = JSON.parse(await readFile(join(path, 'checkpoint.json'), 'utf8'));
    await writeFile(join(path, 'checkpoint.json'), JSON.stringify({ ...summary, version: 2 }));
    await expect(readCheckpoint(path)).rejects.toThrow('API_VERSION');
  });
});

describe('latestCheckpoint', () => {
  it('goes by number, and finds none in a run that has none', async () => {
    expect(await latestCheckpoint(join(folder, 'none'))).toBeUndefined();
    for (const step of [9, 100_000_000, 10]) await writeCheckpoint(folder, at(step));
    expect(await latestCheckpoint(folder)).toBe(join(folder, 'step-100000000'));
    expect(await steps()).toEqual([9, 10, 100_000_000]);
  });

  it('passes over what is unfinished, which the next writer removes', async () => {
    await writeCheckpoint(folder, at(1));
    await mkdir(join(folder, 'step-00000002.tmp-7-abcd'));
    await writeFile(join(folder, 'step-00000002.tmp-7-abcd', 'checkpoint.json'), '{}');
    await mkdir(join(folder, 'step-00000003'));
    await writeFile(join(folder, 'notes.tmp-1'), 'mine');
    expect(await latestCheckpoint(folder)).toBe(join(folder, 'step-00000001'));
    expect(await steps()).toEqual([1]);
    await writeCheckpoint(folder, at(4));
    expect(await readdir(folder)).toEqual(['notes.tmp-1', 'step-00000001', 'step-00000003', 'step-00000004']);
  });
});

describe('pruneCheckpoints', () => {
  it('keeps the newest and the best', async () => {
    const scores = [2, 0.5, 0.7, undefined, 3, 4];
    for (const [index, score] of scores.entries()) await writeCheckpoint(folder, at(index + 1, score));
    await pruneCheckpoints(folder, { keepLast: 2, keepBest: 2 });
    expect(await steps()).toEqual([2, 3, 5, 6]);
    await pruneCheckpoints(folder, { keepLast: 1 });
    expect(await steps()).toEqual([6]);
    expect(await readdir(folder)).toEqual(['step-00000006']);
  });

  it('never removes them all', async () => {
    await expect(pruneCheckpoints(folder, { keepLast: 0 })).rejects.toThrow('CONFIG_INVALID');
  });
});
