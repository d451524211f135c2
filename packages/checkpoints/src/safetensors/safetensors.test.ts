import { mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryTensor, readFloat32, type StoredTensor } from '@tunesmith/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from './open-safetensors.js';
import { writeSafetensors } from './write-safetensors.js';

const recorded = join(import.meta.dirname, 'fixtures', 'recorded-by-python.safetensors');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a file that Python's safetensors wrote", () => {
  it('is read', async () => {
    const file = await openSafetensors(recorded);
    const values = async (name: string) => {
      const tensor = file.get(name) as StoredTensor;
      return [tensor.dtype, tensor.shape, [...(await readFloat32(tensor))]];
    };
    const third = Math.fround(1 / 3);
    expect(file.metadata).toEqual({ format: 'pt' });
    expect(await values('a.bias')).toEqual(['F32', [2], [Math.fround(0.1), Math.fround(-0.2)]]);
    expect((await values('embed.weight')).slice(0, 2)).toEqual(['F32', [3, 4]]);
    expect((await values('embed.weight'))[2]).toContain(-third);
    expect(await values('half')).toEqual(['F16', [5], [1, -0.333251953125, 65504, 2 ** -24, Number.POSITIVE_INFINITY]]);
    expect(await values('brain')).toEqual(['BF16', [2, 2], [1, -0.333984375, 1.765625 * 2 ** 127, 2 ** -133]]);
    expect(await values('ids')).toEqual(['I64', [2], [-2, 2 ** 40]]);
    expect(await values('steps')).toEqual(['I32', [2], [3, -4]]);
    expect(await values('levels')).toEqual(['I16', [3], [-300, 300, 5]]);
    expect(await values('codes')).toEqual(['U8', [2], [255, 0]]);
    expect(await values('mask')).toEqual(['BOOL', [3], [1, 0, 1]]);
    expect(await values('scalar')).toEqual(['F64', [], [2.5]]);
    expect(await values('empty')).toEqual(['F16', [0, 3], []]);
    expect(await values('größe.ü')).toEqual(['I8', [1], [7]]);
    expect(file.get('absent')).toBeUndefined();
    await file.close();
  });

  it('is written again byte for byte, whatever the order of its tensors', async () => {
    const file = await openSafetensors(recorded);
    const tensors = file.names().map((name) => file.get(name) as StoredTensor);
    const copy = join(folder, 'copy.safetensors');
    await writeSafetensors(copy, tensors.reverse());
    expect(await readFile(copy)).toEqual(await readFile(recorded));
    await file.close();
  });
});

it('takes tensors as they come', async () => {
  async function* produce() {
    yield memoryTensor('b', [2], Float32Array.of(1, 2));
    yield memoryTensor('a', [1], Float32Array.of(3), 'F16');
  }
  const path = join(folder, 'stream.safetensors');
  await writeSafetensors(path, produce(), {});
  const file = await openSafetensors(path);
  expect(file.names()).toEqual(['b', 'a']);
  expect(file.metadata).toEqual({});
  await file.close();
});

it('leaves the file that was there, and nothing else, when writing fails', async () => {
  const home = await mkdtemp(join(folder, 'failed-'));
  const path = join(home, 'model.safetensors');
  await writeSafetensors(path, [memoryTensor('a', [1], Float32Array.of(1))]);
  const before = await readFile(path);
  const short: StoredTensor = { name: 'b', dtype: 'F32', shape: [2], read: async () => new Uint8Array(4) };
  await expect(writeSafetensors(path, [memoryTensor('a', [1], Float32Array.of(2)), short])).rejects.toThrow(
    'SHAPE_MISMATCH at b: the bytes are not what the shape says; expected 8 bytes for F32 [2], got 4.',
  );
  expect(await readFile(path)).toEqual(before);
  expect(await readdir(home)).toEqual(['model.safetensors']);
});

describe('a damaged file', () => {
  const damaged = async (name: string, bytes: Uint8Array) => {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  };

  it('is refused when it is empty, cut off or lengthened', async () => {
    const whole = await readFile(recorded);
    await expect(openSafetensors(await damaged('empty', whole.subarray(0, 0)))).rejects.toThrow(/too short/);
    await expect(openSafetensors(await damaged('prefix', whole.subarray(0, 8)))).rejects.toThrow(/header is too long/);
    await expect(openSafetensors(await damaged('cut', whole.subarray(0, -1)))).rejects.toThrow(
      /cut off.*downloaded whole/,
    );
    await expect(openSafetensors(await damaged('more', Buffer.concat([whole, Buffer.of(0)])))).rejects.toThrow(
      /bytes lie after the last tensor/,
    );
  });

  it('is refused when its header claims more than the reference allows', async () => {
    const path = await damaged('huge', Buffer.alloc(16));
    await truncate(path, 200_000_000);
    const handle = await open(path, 'r+');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(100_000_001n);
    await handle.write(length, 0, 8, 0);
    await handle.close();
    await expect(openSafetensors(path)).rejects.toThrow('expected at most 100000000 bytes, got 100000001');
  });

  it('is refused when a tensor is gone after opening', async () => {
    const path = await damaged('shrunk', await readFile(recorded));
    const file = await openSafetensors(path);
    await truncate(path, 600);
    const last = file.get(file.names().at(-1) as string) as StoredTensor;
    await expect(last.read()).rejects.toThrow(/FILE_INVALID.*the file ends early/);
    await file.close();
  });
});

it('says which file is missing', async () => {
  await expect(openSafetensors(join(folder, 'none'))).rejects.toThrow(/FILE_MISSING at .*none: there is no such file/);
});

it('reads tensors beyond 4 GiB', async () => {
  // A sparse file: five GiB that take no room on disk.
  const gap = 5 * 2 ** 30;
  const path = join(folder, 'sparse.safetensors');
  const header = JSON.stringify({
    gap: { dtype: 'U8', shape: [gap], data_offsets: [0, gap] },
    last: { dtype: 'F32', shape: [2], data_offsets: [gap, gap + 8] },
  });
  const handle = await open(path, 'w');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await handle.write(Buffer.concat([length, Buffer.from(header)]));
  await handle.write(new Uint8Array(Float32Array.of(1.5, -2).buffer), 0, 8, 8 + header.length + gap);
  await handle.close();
  const file = await openSafetensors(path);
  expect([...(await readFloat32(file.get('last') as StoredTensor))]).toEqual([1.5, -2]);
  await file.close();
  await rm(path);
});
