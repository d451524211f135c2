import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { requireFile } from '../read/read-rows.js';

interface KnownFile {
  readonly size: number;
  readonly mtimeMs: number;
  readonly sha256: string;
}

/**
 * SHA-256 of a file's bytes. What was hashed once is remembered in the cache folder and trusted while size and time of
 * change stay the same, so that a file larger than memory is not read again at every start.
 */
export async function contentHash(file: string, cacheFolder: string): Promise<string> {
  const { size, mtimeMs } = await requireFile(file);
  const name = createHash('sha256').update(path.resolve(file)).digest('hex').slice(0, 32);
  const memory = path.join(cacheFolder, 'files', `${name}.json`);
  const known = await readKnown(memory);
  if (known?.size === size && known.mtimeMs === mtimeMs) return known.sha256;

  const hash = createHash('sha256');
  for await (const bytes of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(bytes as Buffer);
  const sha256 = hash.digest('hex');
  await mkdir(path.dirname(memory), { recursive: true });
  const unfinished = `${memory}.${randomUUID()}.tmp`;
  await writeFile(unfinished, JSON.stringify({ size, mtimeMs, sha256 } satisfies KnownFile));
  await rename(unfinished, memory);
  return sha256;
}

async function readKnown(memory: string): Promise<KnownFile | undefined> {
  try {
    return JSON.parse(await readFile(memory, 'utf8')) as KnownFile;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
