import type { FileHandle } from 'node:fs/promises';
import { TunesmithError } from '@tunesmith/core';

/** One read call takes less than 2 GiB on every platform. */
const chunkBytes = 2 ** 30;

/**
 * Reads `length` bytes at `position`, both of any size, into memory of its own.
 * @throws FILE_INVALID when the file ends before
 */
export async function readRange(
  handle: Pick<FileHandle, 'read'>,
  position: number,
  length: number,
  where: string,
): Promise<Uint8Array> {
  // Not pooled, so the bytes begin on an aligned address and float32 can be viewed in place.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  let done = 0;
  while (done < length) {
    const part = bytes.subarray(done, Math.min(done + chunkBytes, length));
    const { bytesRead } = await handle.read(part, 0, part.length, position + done);
    if (bytesRead === 0) {
      const got = `${done} bytes`;
      throw new TunesmithError('FILE_INVALID', 'the file ends early', { where, expected: `${length} bytes`, got });
    }
    done += bytesRead;
  }
  return bytes;
}
