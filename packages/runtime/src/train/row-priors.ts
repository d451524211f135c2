import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { computePriors, createExecutableCache, type Objective, type Row } from '@tunesmith/core';
import { contentHash, type Dataset } from '@tunesmith/data';
import type { OnPhase } from '../model/engine.js';
import type { LoadedModel } from '../model/load-model.js';
import type { RunData } from './open-data.js';

export interface RowPriorOptions {
  readonly loaded: LoadedModel;
  readonly objective: Objective;
  readonly batchSize: number;
  readonly maxLength: number;
  /** Where what was computed is kept; nothing is kept where absent. */
  readonly cacheFolder?: string;
  readonly onPhase?: OnPhase;
}

/** Raised when what is kept, or its form on disk, changes. */
const version = 1;

/**
 * A data set whose rows have what the objective needs to know of them before training (`Row.prior`). It is computed in one
 * pass over the model as it is, once for the same model, rows and backend, and kept on disk under a hash of them all: a run
 * that is resumed or repeated finds it there. Memory holds a few numbers for each row.
 */
async function withPriors(dataset: Dataset, options: RowPriorOptions): Promise<Dataset> {
  const { cacheFolder, onPhase } = options;
  const hashes: string[] = [];
  for await (const row of dataset.rows()) hashes.push(rowHash(row));
  const file =
    cacheFolder === undefined ? null : join(cacheFolder, 'priors', await priorsName(hashes, options, cacheFolder));
  let values = file === null ? null : await readValues(file, hashes.length);
  if (values === null) {
    onPhase?.('computing what the reference says of the rows');
    values = await compute(dataset, options);
    if (file !== null) await writeValues(file, values);
  }
  const known = new Map(hashes.map((hash, index) => [hash, (values as Float32Array[])[index] as Float32Array]));
  const withPrior = (row: Row): Row => ({ ...row, prior: known.get(rowHash(row)) as Float32Array });
  return {
    ...dataset,
    async *read(position) {
      for await (const read of dataset.read(position)) yield { ...read, row: withPrior(read.row) };
    },
    async *rows() {
      for await (const row of dataset.rows()) yield withPrior(row);
    },
  };
}

/** The same of both sides of a run's data, where the objective asks for it. */
export async function dataWithPriors(data: RunData, options: RowPriorOptions): Promise<RunData> {
  if (options.objective.prior === undefined) return data;
  const train = await withPriors(data.train, options);
  const validation = data.validation && (await withPriors(data.validation, options));
  return { ...data, train, validation };
}

async function compute(
  dataset: Dataset,
  { loaded, objective, batchSize, maxLength }: RowPriorOptions,
): Promise<Float32Array[]> {
  const { model, parameters, backend, tokenizer } = loaded;
  const executables = createExecutableCache(backend, parameters.tensors);
  const collate = { rows: batchSize, maxLength, padToken: tokenizer.padId };
  const values: Float32Array[] = [];
  try {
    const parts = { model, parameters, objective, executables, collate };
    for await (const each of computePriors(dataset.rows(), parts)) values.push(each);
  } finally {
    await executables.dispose();
  }
  return values;
}

/** A row's content: 64 bits of SHA-1 over all that the model is given of it. */
function rowHash({ tokens, weights, rejected }: Row): string {
  const hash = createHash('sha1').update(`${tokens.length}/`).update(tokens).update(weights);
  if (rejected !== undefined) hash.update(rejected.tokens).update(rejected.weights);
  return hash.digest('base64').slice(0, 11);
}

async function priorsName(
  rows: readonly string[],
  { loaded: { path, quantization, backend, parameters, model }, objective }: RowPriorOptions,
  cacheFolder: string,
): Promise<string> {
  const names = (await readdir(path)).filter((name) => /^config\.json$|\.safetensors$/.test(name)).sort();
  const files: string[] = [];
  for (const name of names) files.push(await contentHash(join(path, name), cacheFolder));
  const [weight] = model.handles.filter(({ owner }) => owner === 'base');
  const dtype = weight === undefined ? null : (await parameters.tensors.get(weight.key)).dtype;
  const all = { version, files, quantization, dtype, backend: backend.name, prior: objective.prior?.key, rows };
  return `${createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 32)}.bin`;
}

/** CRC-32 of the rest and numbers a row (uint32 each), then the rows' numbers (float32), little-endian. */
async function readValues(file: string, rows: number): Promise<Float32Array[] | null> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (bytes === null || bytes.length < 8 || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) return null;
  const width = bytes.readUInt32LE(4);
  if (bytes.length !== 8 + 4 * width * rows) return null;
  return Array.from({ length: rows }, (_, row) =>
    Float32Array.from({ length: width }, (__, index) => bytes.readFloatLE(8 + 4 * (row * width + index))),
  );
}

async function writeValues(file: string, values: readonly Float32Array[]): Promise<void> {
  const width = values[0]?.length ?? 0;
  const bytes = Buffer.alloc(8 + 4 * width * values.length);
  bytes.writeUInt32LE(width, 4);
  for (const [row, each] of values.entries()) {
    for (const [index, value] of each.entries()) bytes.writeFloatLE(value, 8 + 4 * (row * width + index));
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  await mkdir(join(file, '..'), { recursive: true });
  const unfinished = `${file}.${process.pid}-${randomUUID()}.tmp`;
  await writeFile(unfinished, bytes, { flush: true });
  await rename(unfinished, file);
}
