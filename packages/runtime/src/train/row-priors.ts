import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { computePriors, createExecutableCache, type Objective, type Row, TunesmithError } from '@tunesmith/core';
import { contentHash, type Dataset } from '@tunesmith/data';
import type { OnPhase } from '../model/engine.js';
import type { LoadedModel } from '../model/load-model.js';
import type { RunData } from './open-data.js';

export interface RowPriorOptions {
  readonly loaded: LoadedModel;
  readonly objective: Objective;
  readonly batchSize: number;
  readonly maxLength: number;
  /** Opens the model that the objective's prior is computed by, where that is another; the run's own stands for it where absent. */
  readonly openOther?: (path: string) => Promise<LoadedModel>;
  /** Where what was computed is kept; nothing is kept where absent. */
  readonly cacheFolder?: string;
  readonly onPhase?: OnPhase;
}

/** Raised when what is kept, or its form on disk, changes. */
const version = 2;

/**
 * A data set whose rows have what the objective needs to know of them before training (`Row.prior`). It is computed in one
 * pass over the model as it is, once for the same model, rows and backend, and kept on disk under a hash of them all: a run
 * that is resumed or repeated finds it there. Memory holds a few numbers for each row.
 */
async function withPriors(dataset: Dataset, source: PriorSource, options: RowPriorOptions): Promise<Dataset> {
  const { cacheFolder, onPhase } = options;
  const hashes: string[] = [];
  for await (const row of dataset.rows()) hashes.push(rowHash(row));
  const file =
    cacheFolder === undefined
      ? null
      : join(cacheFolder, 'priors', await priorsName(hashes, source, options, cacheFolder));
  let values = file === null ? null : await readValues(file, hashes.length);
  if (values === null) {
    onPhase?.(`computing what the ${source.other ? 'teacher' : 'reference'} says of the rows`);
    values = await compute(dataset, await source.open(), options);
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
  const source = await priorSource(options);
  try {
    const train = await withPriors(data.train, source, options);
    const validation = data.validation && (await withPriors(data.validation, source, options));
    return { ...data, train, validation };
  } finally {
    source.dispose();
  }
}

/** The model that a prior is computed by. */
interface PriorSource {
  /** Whether it is another than the run's own. */
  readonly other: boolean;
  readonly path: string;
  /** How its weights are held, as far as that decides its numbers. */
  readonly form: unknown;
  /** Opened when it is first asked for: what is kept on disk needs no model. */
  open(): Promise<LoadedModel>;
  /** Frees it, unless it is the run's own. */
  dispose(): void;
}

async function priorSource({ loaded, objective, openOther, cacheFolder }: RowPriorOptions): Promise<PriorSource> {
  const { model: path } = objective.prior ?? {};
  if (path !== undefined && openOther !== undefined) {
    let opened: Promise<LoadedModel> | undefined;
    const open = async (): Promise<LoadedModel> => {
      opened ??= openOther(path);
      checkSameTokens(await opened, loaded.tokenizer);
      return opened;
    };
    return { other: true, path, form: 'auto', open, dispose: () => void opened?.then((other) => other.dispose()) };
  }
  const { model, parameters, quantization } = loaded;
  const [weight] = model.handles.filter(({ owner }) => owner === 'base');
  const dtype = weight === undefined ? null : (await parameters.tensors.get(weight.key)).dtype;
  const adapters = cacheFolder === undefined ? null : await adaptersHash(loaded, objective);
  const form = { quantization, dtype, ...(adapters && { adapters }) };
  return { other: false, path: loaded.path, form, open: async () => loaded, dispose: () => {} };
}

/** The values of the adapters that an objective's reference has, hashed; null where it has none. */
async function adaptersHash({ model, parameters }: LoadedModel, { adapters = [] }: Objective): Promise<string | null> {
  if (adapters.length === 0) return null;
  const hash = createHash('sha256');
  for (const method of adapters.flatMap((name) => model.adapters[name] ?? [])) {
    hash.update(JSON.stringify([method.name, method.config]));
    for (const handle of model.ownedBy(method)) hash.update(handle.path).update(await parameters.readArray(handle));
  }
  return hash.digest('hex');
}

/** What another model says of a token is of use only where that is the same token. @throws CONFIG_INVALID */
function checkSameTokens({ tokenizer, path }: LoadedModel, own: LoadedModel['tokenizer']): void {
  const everyCharacter = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('');
  const text = `The quick brown fox; ${everyCharacter}`;
  const same = String(tokenizer.encode(text)) === String(own.encode(text)) && tokenizer.vocabSize === own.vocabSize;
  if (same) return;
  throw new TunesmithError('CONFIG_INVALID', 'the other model has another tokenizer', {
    where: path,
    expected: `the run's, of ${own.vocabSize} tokens`,
    got: `one of ${tokenizer.vocabSize} tokens`,
    hint: 'Distributions are compared token by token. Let the teacher write answers, and train on these, where tokens differ.',
  });
}

async function compute(
  dataset: Dataset,
  { model, parameters, backend, tokenizer }: LoadedModel,
  { objective, batchSize, maxLength }: RowPriorOptions,
): Promise<Float32Array[]> {
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
  { path, form }: PriorSource,
  { loaded: { backend }, objective }: RowPriorOptions,
  cacheFolder: string,
): Promise<string> {
  const names = (await readdir(path)).filter((name) => /^config\.json$|\.safetensors$/.test(name)).sort();
  const files: string[] = [];
  for (const name of names) files.push(await contentHash(join(path, name), cacheFolder));
  const all = { version, files, form, backend: backend.name, prior: objective.prior?.key, rows };
  return `${createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 32)}.bin`;
}

/** CRC-32 of the rest, how many numbers each row has (uint32), then the rows' numbers (float32), little-endian. */
async function readValues(file: string, rows: number): Promise<Float32Array[] | null> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (bytes === null || bytes.length < 4 + 4 * rows || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) return null;
  let offset = 4 + 4 * rows;
  return Array.from({ length: rows }, (_, row) => {
    const values = new Float32Array(bytes.readUInt32LE(4 + 4 * row));
    for (const index of values.keys()) values[index] = bytes.readFloatLE(offset + 4 * index);
    offset += 4 * values.length;
    return values;
  });
}

async function writeValues(file: string, values: readonly Float32Array[]): Promise<void> {
  const start = 4 + 4 * values.length;
  const bytes = Buffer.alloc(values.reduce((size, { length }) => size + 4 * length, start));
  let offset = start;
  for (const [row, each] of values.entries()) {
    bytes.writeUInt32LE(each.length, 4 + 4 * row);
    for (const value of each) offset = bytes.writeFloatLE(value, offset);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  await mkdir(join(file, '..'), { recursive: true });
  const unfinished = `${file}.${process.pid}-${randomUUID()}.tmp`;
  await writeFile(unfinished, bytes, { flush: true });
  await rename(unfinished, file);
}
