import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

/** Takes bytes in order, and is done with them when its promise resolves. */
export type ByteSink = (bytes: Uint8Array) => Promise<void>;

/** What was written: enough to tell later whether it is still the same. */
export interface WrittenFile {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** One write call takes less than 2 GiB on every platform. */
const chunkBytes = 2 ** 30;

/** Appends to an open file. */
export function fileSink(handle: Pick<FileHandle, 'write'>): ByteSink {
  return async (bytes) => {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await handle.write(bytes.subarray(done, Math.min(done + chunkBytes, bytes.length)));
      done += bytesWritten;
    }
  };
}

/** Appends to an open file and takes its digest on the way. */
export function hashingSink(handle: Pick<FileHandle, 'write'>): { write: ByteSink; written(): WrittenFile } {
  const hash = createHash('sha256');
  const append = fileSink(handle);
  let total = 0;
  return {
    async write(bytes) {
      hash.update(bytes);
      total += bytes.length;
      await append(bytes);
    },
    written: () => ({ bytes: total, sha256: hash.digest('hex') }),
  };
}
