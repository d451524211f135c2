import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of all tensors below folders, without the texts that describe them. */
export async function tensorBytes(folders: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const folder of folders) {
    for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
      if (entry.isFile() && entry.name.endsWith('.safetensors')) {
        bytes += (await stat(join(entry.parentPath, entry.name))).size;
      }
    }
  }
  return bytes;
}
