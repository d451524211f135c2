import { describe, expect, it } from 'vitest';
import { readRange } from './read-range.js';

/** A file of `size` bytes whose byte at p is p % 251, giving at most `most` bytes a call, and noting the calls. */
function slowFile(size: number, most: number) {
  const calls: { position: number; length: number }[] = [];
  const read = async (buffer: Uint8Array, offset: number, length: number, position: number) => {
    calls.push({ position, length });
    const bytesRead = Math.max(0, Math.min(length, most, size - position));
    for (let i = 0; i < bytesRead && length < 1000; i++) buffer[offset + i] = (position + i) % 251;
    return { bytesRead, buffer };
  };
  return { handle: { read } as unknown as Parameters<typeof readRange>[0], calls };
}

describe('readRange', () => {
  it('goes on after short reads', async () => {
    const { handle } = slowFile(100, 7);
    expect(await readRange(handle, 60, 25, 'x')).toEqual(Uint8Array.from({ length: 25 }, (_, i) => 60 + i));
  });

  it('never asks for 2 GiB at once', async () => {
    const length = 2 ** 31 + 2 ** 20;
    const { handle, calls } = slowFile(length + 5, Number.POSITIVE_INFINITY);
    expect((await readRange(handle, 5, length, 'x')).length).toBe(length);
    expect(calls).toEqual([
      { position: 5, length: 2 ** 30 },
      { position: 5 + 2 ** 30, length: 2 ** 30 },
      { position: 5 + 2 ** 31, length: 2 ** 20 },
    ]);
  });

  it('says how much there was when the file ends early', async () => {
    const { handle } = slowFile(10, 4);
    await expect(readRange(handle, 4, 8, 'm, w')).rejects.toThrow(
      'FILE_INVALID at m, w: the file ends early; expected 8 bytes, got 6 bytes.',
    );
  });
});
