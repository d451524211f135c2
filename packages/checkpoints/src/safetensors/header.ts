import { bytesPerElement, isStoredDtype, type StoredDtype, TunesmithError } from '@tunesmith/core';
import { topLevelKeys } from '../json/top-level-keys.js';

/**
 * The safetensors header, bytes in and bytes out: no file is touched here.
 * A file is `u64 length | length bytes of JSON | tensors`, little-endian; the JSON maps names to dtype, shape and
 * `data_offsets` from the JSON's end. Format: github.com/huggingface/safetensors, README.md and src/tensor.rs.
 */

/** The bytes before the JSON: its length. */
export const lengthBytes = 8;

/** The reference refuses headers above this, so that a hostile length costs no memory. */
export const maxHeaderBytes = 100_000_000;

const dtypesByAlignment: StoredDtype[] = ['I64', 'F64', 'F32', 'I32', 'BF16', 'F16', 'I16', 'I8', 'U8', 'BOOL'];

/** What is said of a tensor before its bytes. */
export interface TensorShape {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
}

/** A tensor and where it lies, in bytes from the end of the header. */
export interface TensorEntry extends TensorShape {
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order in which they lie. */
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes that a tensor takes, or NaN when a size is no count or the product is beyond exact numbers. */
export function tensorBytes(dtype: StoredDtype, shape: readonly number[]): number {
  let bytes = bytesPerElement(dtype);
  for (const size of shape) bytes *= isCount(size) ? size : Number.NaN;
  return isCount(bytes) ? bytes : Number.NaN;
}

/**
 * Reads the JSON part of a header and checks all of it: every name once, every dtype known, every range as long as its
 * shape says, and the ranges covering the data exactly, without holes or overlaps.
 * @param dataBytes how many bytes follow the header
 * @param where the file, for errors
 * @throws FILE_INVALID
 */
export function parseHeader(json: Uint8Array, dataBytes: number, where: string): SafetensorsHeader {
  const fields = parseFields(json, where);
  const tensors: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (name === '__metadata__') metadata = parseMetadata(field, where);
    else tensors.push(parseEntry(name, field, where));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCover(tensors, dataBytes, where);
  return { tensors, metadata };
}

/**
 * Lays tensors out as the reference does (widest dtypes first, then by name) and writes the whole header, its length
 * included, padded with spaces so that the data begins on an 8-byte boundary.
 * @throws FILE_INVALID for a repeated or reserved name, or a shape that is none
 */
export function formatHeader<T extends TensorShape>(
  tensors: Iterable<T>,
  metadata: Readonly<Record<string, string>>,
): { bytes: Uint8Array; ordered: T[]; dataBytes: number } {
  const ordered = [...tensors].sort(
    (a, b) => dtypesByAlignment.indexOf(a.dtype) - dtypesByAlignment.indexOf(b.dtype) || compareBytes(a.name, b.name),
  );
  const fields = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) fields.set('__metadata__', metadata);
  let end = 0;
  for (const { name, dtype, shape } of ordered) {
    const begin = end;
    end += tensorBytes(dtype, shape);
    if (Number.isNaN(end))
      throw new TunesmithError('FILE_INVALID', `[${shape.join(', ')}] is no shape`, { where: name });
    if (name === '__metadata__') throw new TunesmithError('FILE_INVALID', 'this name is reserved', { where: name });
    if (fields.has(name)) throw new TunesmithError('FILE_INVALID', 'two tensors have this name', { where: name });
    fields.set(name, { dtype, shape, data_offsets: [begin, end] });
  }
  // Object.fromEntries would move names that are numbers to the front.
  const pairs = Array.from(fields, ([name, field]) => `${JSON.stringify(name)}:${JSON.stringify(field)}`);
  const json = new TextEncoder().encode(`{${pairs.join(',')}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(lengthBytes + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, lengthBytes);
  return { bytes, ordered, dataBytes: end };
}

function parseFields(json: Uint8Array, where: string): Record<string, unknown> {
  let text: string;
  let fields: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(json);
    fields = JSON.parse(text);
  } catch (cause) {
    throw notJson(where, cause);
  }
  if (!isRecord(fields)) throw new TunesmithError('FILE_INVALID', 'the header is no JSON object', { where });
  const seen = new Set<string>();
  for (const name of topLevelKeys(text)) {
    if (seen.has(name)) throw new TunesmithError('FILE_INVALID', `the header names ${name} twice`, { where });
    seen.add(name);
  }
  return fields;
}

function notJson(where: string, cause: unknown): TunesmithError {
  return new TunesmithError('FILE_INVALID', 'the header is not JSON', { where, hint: notSafetensors, cause });
}

/** What a header that cannot be read most likely means. */
export const notSafetensors = 'Is it a safetensors file, and was it downloaded whole?';

function parseMetadata(field: unknown, where: string): Record<string, string> {
  if (!isRecord(field) || Object.values(field).some((value) => typeof value !== 'string')) {
    throw new TunesmithError('FILE_INVALID', '__metadata__ is no map of strings', { where });
  }
  return field as Record<string, string>;
}

function parseEntry(name: string, field: unknown, where: string): TensorEntry {
  const fail = (what: string, expected: string, got: unknown) =>
    new TunesmithError('FILE_INVALID', `${name} has ${what}`, {
      where,
      expected,
      got: JSON.stringify(got) ?? 'nothing',
    });
  if (!isRecord(field)) throw fail('no entry', 'an object with dtype, shape and data_offsets', field);
  const { dtype, shape, data_offsets: offsets } = field;
  if (typeof dtype !== 'string' || !isStoredDtype(dtype)) {
    throw fail('a dtype that Tunesmith does not read', dtypesByAlignment.join(', '), dtype);
  }
  if (!isCounts(shape)) throw fail('no valid shape', 'whole numbers', shape);
  if (!isCounts(offsets) || offsets.length !== 2) throw fail('no valid data_offsets', 'two whole numbers', offsets);
  const [begin, end] = offsets as [number, number];
  const bytes = tensorBytes(dtype, shape);
  if (end - begin !== bytes) {
    throw fail('a range that is not its size', `${bytes} bytes for ${dtype} [${shape.join(', ')}]`, end - begin);
  }
  return { name, dtype, shape, begin, end };
}

function checkCover(tensors: readonly TensorEntry[], dataBytes: number, where: string): void {
  let covered = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== covered) {
      const what = begin < covered ? `${name} overlaps the tensor before it` : `a hole lies before ${name}`;
      throw new TunesmithError('FILE_INVALID', what, {
        where,
        expected: `it to begin at ${covered}`,
        got: String(begin),
      });
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    const what = covered > dataBytes ? 'the file is cut off' : 'bytes lie after the last tensor';
    const details = { where, expected: `${covered} bytes of tensors`, got: String(dataBytes) };
    throw new TunesmithError(
      'FILE_INVALID',
      what,
      covered > dataBytes ? { ...details, hint: notSafetensors } : details,
    );
  }
}

/** The order of UTF-8 bytes, which is that of code points: what the reference's strings compare by. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isCount);
}
