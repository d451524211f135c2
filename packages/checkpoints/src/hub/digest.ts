import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** The digest that the Hub names a file by: of LFS files SHA-256, of others git's SHA-1 of a blob object. */
export interface Digest {
  readonly kind: 'sha256' | 'git';
  readonly hex: string;
}

/** Computes a file's digest in the given kind, reading it once. */
export async function digestOf(path: string, kind: Digest['kind'], bytes: number): Promise<string> {
  const hash = kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk);
  return hash.digest('hex');
}
