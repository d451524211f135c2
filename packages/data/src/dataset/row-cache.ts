import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { Row } from '@tunesmith/core';
import { decodeRow, encodeRow, type TokenBytes } from './row-codec.js';
import type { DataReport } from './tally.js';

/** Raised when the files' layout changes, or what the same data is tokenised to: caches of another version are rebuilt. */
export const cacheVersion = 9;

/**
 * Tokenised rows on disk, read by ranges: `rows.bin` (see row-codec.ts), `index.bin` and `meta.json`. Memory holds 16 bytes
 * a row, however long the rows are.
 */
export interface RowCache {
  readonly report: DataReport;
  /** Tokens of each row. */
  readonly lengths: Uint32Array;
  /** The example that each row came from, counted from 0: several rows only where a long text was split. */
  readonly examples: Uint32Array;
  /** Opens the rows for reading. */
  open(): Promise<OpenRows>;
}

export interface OpenRows {
  read(row: number): Promise<Row>;
  close(): Promise<void>;
}

/** The rows of each example in turn, and the report when all are there. */
export interface RowProducer {
  readonly examples: AsyncIterable<readonly Row[]>;
  report(): DataReport;
}

interface Meta {
  readonly rows: number;
  readonly tokenBytes: TokenBytes;
  readonly dataChecksum: number;
  readonly indexChecksum: number;
  readonly report: DataReport;
}

/**
 * Opens the cache in a folder, or null where there is none that is whole: both files are read through once and compared
 * with their checksums.
 */
export async function openRowCache(folder: string): Promise<RowCache | null> {
  try {
    const meta = parseMeta(await readFile(path.join(folder, 'meta.json'), 'utf8'));
    if (meta === null) return null;
    const index = await readFile(path.join(folder, 'index.bin'));
    if (crc32(index) !== meta.indexChecksum) return null;
    let checksum = 0;
    for await (const bytes of createReadStream(path.join(folder, 'rows.bin'), { highWaterMark: 1 << 20 })) {
      checksum = crc32(bytes as Buffer, checksum);
    }
    return checksum === meta.dataChecksum ? rowCache(folder, meta, index) : null;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Writes a cache row by row and opens it. It is written beside its place and renamed, so that it is there whole or not at
 * all; where another process was faster, its cache, made from the same content, is taken.
 */
export async function buildRowCache(folder: string, tokenBytes: TokenBytes, producer: RowProducer): Promise<RowCache> {
  await removeAbandoned(folder);
  const unfinished = besides(folder);
  await mkdir(unfinished, { recursive: true });
  try {
    const data = await open(path.join(unfinished, 'rows.bin'), 'w');
    let written: Written;
    try {
      written = await writeRows(data, tokenBytes, producer.examples);
      await data.sync();
    } finally {
      await data.close();
    }
    const index = indexBytes(written);
    const report = producer.report();
    const { rows, dataChecksum } = written;
    const meta: Meta = { rows, tokenBytes, dataChecksum, indexChecksum: crc32(index), report };
    await writeFile(path.join(unfinished, 'index.bin'), index, { flush: true });
    await writeFile(path.join(unfinished, 'meta.json'), formatMeta(meta), { flush: true });

    return (await settle(unfinished, folder)) ?? rowCache(folder, meta, index);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** A place beside a cache that no other process writes to. */
function besides(folder: string): string {
  return `${folder}.${process.pid}-${randomUUID()}.tmp`;
}

/** Processes that find a broken cache at once put it aside one after another: more often than this it is something else. */
const mostAttempts = 10;

/**
 * Gives a cache its place, and null; or leaves it, and gives the whole one that another process put there. A broken one that lies there goes
 * aside in one step before it is removed: removed in its place, it could be another's by then, of which this would leave a part.
 */
async function settle(unfinished: string, folder: string): Promise<RowCache | null> {
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(unfinished, folder);
      return null;
    } catch (error) {
      const other = await openRowCache(folder);
      if (other !== null) return other;
      if (attempt === mostAttempts) throw error;
    }
    const broken = besides(folder);
    try {
      await rename(folder, broken);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    await rm(broken, { recursive: true, force: true });
  }
}

function formatMeta(meta: Meta): string {
  return JSON.stringify({ version: cacheVersion, checksum: crc32(JSON.stringify(meta)), meta });
}

function parseMeta(text: string): Meta | null {
  const { version, checksum, meta } = JSON.parse(text) as { version: number; checksum: number; meta: Meta };
  return version === cacheVersion && checksum === crc32(JSON.stringify(meta)) ? meta : null;
}

/** Removes what a build that was killed left beside this cache; its name holds the process it belonged to. */
async function removeAbandoned(folder: string): Promise<void> {
  const parent = path.dirname(folder);
  await mkdir(parent, { recursive: true });
  for (const name of await readdir(parent)) {
    const owner = name.startsWith(`${path.basename(folder)}.`) ? /\.(\d+)-[\w-]+\.tmp$/.exec(name)?.[1] : undefined;
    if (owner !== undefined && !isRunning(Number(owner)))
      await rm(path.join(parent, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

interface Written {
  readonly rows: number;
  readonly dataChecksum: number;
  /** Where each row starts, and where the last one ends. */
  readonly offsets: readonly number[];
  readonly lengths: readonly number[];
  readonly examples: readonly number[];
}

async function writeRows(
  file: FileHandle,
  tokenBytes: TokenBytes,
  examples: RowProducer['examples'],
): Promise<Written> {
  const written = { offsets: [0], lengths: [] as number[], examples: [] as number[] };
  let dataChecksum = 0;
  let end = 0;
  let example = 0;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  const flush = async () => {
    const bytes = Buffer.concat(pending);
    dataChecksum = crc32(bytes, dataChecksum);
    await file.appendFile(bytes);
    pending = [];
    pendingBytes = 0;
  };
  for await (const rows of examples) {
    for (const row of rows) {
      const bytes = encodeRow(row, tokenBytes);
      end += bytes.length;
      pending.push(bytes);
      pendingBytes += bytes.length;
      written.offsets.push(end);
      written.lengths.push(row.tokens.length);
      written.examples.push(example);
    }
    if (pendingBytes >= 1 << 20) await flush();
    example += 1;
  }
  await flush();
  return { rows: written.lengths.length, dataChecksum, ...written };
}

/** Offsets (float64, one more than rows), then lengths and examples (uint32 each). */
function indexBytes({ offsets, lengths, examples }: Written): Uint8Array<ArrayBuffer> {
  const rows = lengths.length;
  const bytes = new Uint8Array(8 * (rows + 1) + 8 * rows);
  new Float64Array(bytes.buffer, 0, rows + 1).set(offsets);
  new Uint32Array(bytes.buffer, 8 * (rows + 1), rows).set(lengths);
  new Uint32Array(bytes.buffer, 8 * (rows + 1) + 4 * rows, rows).set(examples);
  return bytes;
}

function rowCache(folder: string, { rows, tokenBytes, report }: Meta, index: Uint8Array): RowCache {
  const { buffer } = new Uint8Array(index);
  const offsets = new Float64Array(buffer, 0, rows + 1);
  return {
    report,
    lengths: new Uint32Array(buffer, 8 * (rows + 1), rows),
    examples: new Uint32Array(buffer, 8 * (rows + 1) + 4 * rows, rows),
    async open() {
      const file = await open(path.join(folder, 'rows.bin'), 'r');
      return {
        async read(row) {
          const start = offsets[row] as number;
          const bytes = new Uint8Array((offsets[row + 1] as number) - start);
          await file.read(bytes, 0, bytes.length, start);
          return decodeRow(bytes, tokenBytes);
        },
        close: () => file.close(),
      };
    },
  };
}
