import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomKey, randomUniform, readFloat32, type StoredCodes, type StoredTensor } from '@tunesmith/core';
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

  // float16 0.5, −0.5 and 3 · 2⁻²⁴, which has no leading bit; of those with a minimum, −1 and 2⁻²⁴ behind it.
  it.each([
    ['q8_0', 8, 32, [0x00, 0x38]],
    ['q4_0', 2, 16, [0x00, 0xb8]],
    ['q4_1', 3, 16, [0x03, 0x00, 0x00, 0xbc]],
    ['q4_1', 3, 16, [0x00, 0x38, 0x01, 0x00]],
  ] as const)('gives blocks of %s as the codes that they are', async (name, type, bytes, header) => {
    const key = randomKey(4, name);
    const codes = (from: number): number[] =>
      Array.from({ length: bytes }, (_, index) => Math.floor(randomUniform(key, from + index) * 256));
    const data = Uint8Array.from([0, 1, 2, 3, 4, 5].flatMap((block) => [...header, ...codes(block * bytes)]));
    const file = await openGguf(await written(`${name}.gguf`, [{ name: 'w', type, dimensions: [64, 3] }], data));
    const tensor = file.tensors.get('w') as StoredTensor;
    expect(tensor.codes?.codec.name).toBe(name);
    const parts = (await tensor.codes?.read()) as NonNullable<Awaited<ReturnType<StoredCodes['read']>>>;
    const shape = { rows: 3, columns: 64 };
    const specs = Object.entries(parts).map(([part, { dtype, shape }]) => [part, { dtype, shape }]);
    expect(Object.fromEntries(specs)).toEqual(tensor.codes?.codec.parts(shape));
    expect(tensor.codes?.codec.decode(parts, shape)).toEqual(await readFloat32(tensor));
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
