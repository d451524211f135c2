import { readFile } from 'node:fs/promises';
import { TunesmithError } from '@tunesmith/core';
import { orMissing } from '../files/missing-file.js';

/** A JSON object whose fields are not known yet. */
export type JsonObject = Record<string, unknown>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws FILE_INVALID naming the file and the place in it */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notJson(where, cause);
  }
}

/** @throws FILE_MISSING, or FILE_INVALID when the file holds no JSON object */
export async function readJsonObject(path: string): Promise<JsonObject> {
  const value = parseJson(await orMissing(readFile(path, 'utf8'), 'there is no such file', path), path);
  if (isJsonObject(value)) return value;
  throw new TunesmithError('FILE_INVALID', 'the file holds no JSON object', { where: path });
}

/**
 * JSON with two spaces of indent and a last newline, keys as they come or sorted at every level, as Python's
 * `json.dumps(value, indent=2, sort_keys=True)`. What JSON would silently change (NaN, infinities, undefined in a list,
 * functions, maps, bigints) is refused.
 * @throws DATA_INVALID naming the field
 */
export function formatJson(value: unknown, options: { sortKeys?: boolean } = {}): string {
  return `${JSON.stringify(plain(value, '', options.sortKeys === true), null, 2)}\n`;
}

function plain(value: unknown, path: string, sortKeys: boolean): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((item, index) => plain(item, `${path}[${index}]`, sortKeys));
  if (isPlainObject(value)) {
    const entries = Object.entries(value).filter(([, field]) => field !== undefined);
    if (sortKeys) entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(
      entries.map(([key, field]) => [key, plain(field, path === '' ? key : `${path}.${key}`, sortKeys)]),
    );
  }
  throw new TunesmithError('DATA_INVALID', 'JSON cannot hold this value', {
    where: path === '' ? 'the value itself' : path,
    got: isJsonObject(value) ? `a ${value.constructor?.name}` : String(value),
  });
}

function isPlainObject(value: unknown): value is JsonObject {
  if (!isJsonObject(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function notJson(where: string, cause: unknown): TunesmithError {
  const got = cause instanceof Error ? cause.message : String(cause);
  return new TunesmithError('FILE_INVALID', `the file is not JSON (${got})`, { where, cause });
}
