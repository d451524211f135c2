import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFloat32, type StoredTensor } from '@tunesmith/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGguf } from './open-gguf.js';

interface TensorInfo {
  readonly name: string;
  readonly type: number;
  /** Fastest first, as the file has them. */
  readonly dimensions: readonly number[];
}

/** A GGUF file of version 3 whose tensors all begin at the data's start. */
function ggufBytes(tensors: readonly TensorInfo[], data: Uint8Array, metadata: Record<string, number> = {}): Buffer {
  const count = (value: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  };
  const uint32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const text = (value: string): Buffer => Buffer.concat([count(Buffer.byteLength(value)), Buffer.from(value)]);
  const header = Buffer.concat([
    ...[Buffer.from('GGUF'), uint32(3), count(tensors.length), count(Object.keys(metadata).length)],
    ...Object.entries(metadata).flatMap(([key, value]) => [text(key), uint32(4), uint32(value)]),
    ...tensors.flatMap(({ name, type, dimensions }) => [
      ...[text(name), uint32(dimensions.length), ...dimensions.map(count), uint32(type), count(0)],
    ]),
  ]);
  return Buffer.concat([header, Buffer.alloc((32 - (header.length % 32)) % 32), data]);
}

let folder: string;
const written = async (name: string, ...contents: Parameters<typeof ggufBytes>): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, ggufBytes(...contents));
  return path;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tunesmith-gguf-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('openGguf', () => {
  it('reads tensors row by row, blocks decoded', async () => {
    // d = 0.5 as float16, then the codes 0 to 31.
    const block = Uint8Array.of(0x00, 0x38, ...Array.from({ length: 32 }, (_, index) => index));
    const file = await openGguf(
      await written('eight.gguf', [{ name: 'w', type: 8, dimensions: [32, 2] }], Buffer.concat([block, block])),
    );
    const tensor = file.tensors.get('w') as StoredTensor;
    expect(tensor).toMatchObject({ dtype: 'F32', shape: [2, 32] });
    const row = Array.from({ length: 32 }, (_, index) => index / 2);
    expect([...(await readFloat32(tensor))]).toEqual([...row, ...row]);
    await file.close();
  });

  it('names file, tensor and type of what it does not read', async () => {
    const path = await written('q5.gguf', [{ name: 'blk.0.w', type: 13, dimensions: [256, 1] }], Buffer.alloc(176));
    await expect(openGguf(path)).rejects.toMatchObject({
      code: 'FILE_INVALID',
      where: `${path}, blk.0.w`,
      expected: 'F32, F16, BF16, Q4_0, Q4_1, Q8_0, Q4_K, Q6_K',
      got: 'Q5_K',
    });
  });

  it('refuses files that end early, rows that are no whole blocks, and parts of a model', async () => {
    const cut = await written('cut.gguf', [{ name: 'w', type: 0, dimensions: [4, 4] }], Buffer.alloc(63));
    await expect(openGguf(cut)).rejects.toThrow(/cut\.gguf, w: the file ends before the tensor does/);
    const odd = await written('odd.gguf', [{ name: 'w', type: 2, dimensions: [48, 2] }], Buffer.alloc(54));
    await expect(openGguf(odd)).rejects.toThrow(/no whole blocks of Q4_0; expected a multiple of 32, got rows of 48/);
    const part = await written('part.gguf', [], Buffer.alloc(0), { 'split.count': 2 });
    await expect(openGguf(part)).rejects.toThrow(/one part of several/);
  });

  it('refuses other files, and says that there is none', async () => {
    const path = join(folder, 'other.gguf');
    await writeFile(path, 'no such thing');
    await expect(openGguf(path)).rejects.toMatchObject({ code: 'FILE_INVALID', where: path });
    await expect(openGguf(join(folder, 'none.gguf'))).rejects.toMatchObject({ code: 'FILE_MISSING' });
  });
});
