import { TunesmithError } from '@tunesmith/core';
import type { z } from 'zod';
import { writeFileAtomically } from '../files/atomic-write.js';
import { formatJson, isJsonObject, type JsonObject, parseJson, readJsonObject } from './strict-json.js';

/** Turns what version n stored into what version n + 1 stores. The `version` field itself is handled outside. */
export type Migration = (stored: JsonObject) => JsonObject;

export interface VersionedJsonDefinition<T extends object> {
  /** What is stored, for errors: `adapter manifest`. */
  readonly kind: string;
  /** The version written now, from 1. */
  readonly version: number;
  /** What is stored beside `version`. */
  readonly schema: z.ZodType<T>;
  /** By the version that each starts from: `{ 1: from1To2, 2: from2To3 }`. Versions before the first are refused. */
  readonly migrations?: Readonly<Record<number, Migration>>;
}

/** A stored format with one integer `version`: newer ones are refused, older ones migrated step by step. */
export interface VersionedJson<T extends object> {
  readonly kind: string;
  readonly version: number;
  /** Migrates and checks a value that has been parsed already, such as a YAML recipe or a line of JSONL. */
  upgrade(value: unknown, where: string): T;
  parse(text: string, where: string): T;
  read(path: string): Promise<T>;
  /** The value with its version, as it is stored. */
  stamp(value: T): { version: number } & T;
  format(value: T): string;
  /** Writes the file, whole or not at all. */
  write(path: string, value: T): Promise<void>;
}

/**
 * Defines a stored format. Reading throws API_VERSION for a version that is newer or no longer known, FILE_INVALID for
 * content that is not the schema's, all problems at once.
 */
export function defineVersionedJson<T extends object>(definition: VersionedJsonDefinition<T>): VersionedJson<T> {
  const { kind, version, schema, migrations = {} } = definition;
  const oldest = Math.min(version, ...Object.keys(migrations).map(Number));
  for (let from = oldest; from < version; from++) {
    if (migrations[from] === undefined) {
      throw new TunesmithError('INTERNAL', `the ${kind} has no migration from version ${from}`);
    }
  }
  const stamp = (value: T) => ({ version, ...value });
  const format = (value: T) => formatJson(stamp(value));

  function upgrade(value: unknown, where: string): T {
    if (!isJsonObject(value)) throw new TunesmithError('FILE_INVALID', `this is no ${kind}`, { where });
    const { version: stored, ...fields } = value;
    checkVersion(stored, where);
    let current: JsonObject = fields;
    for (let from = stored; from < version; from++) current = (migrations[from] as Migration)(current);
    const result = schema.safeParse(current);
    if (result.success) return result.data;
    const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || 'value'}: ${message}`);
    throw new TunesmithError('FILE_INVALID', `this is no valid ${kind}: ${problems.join('; ')}`, { where });
  }

  function checkVersion(stored: unknown, where: string): asserts stored is number {
    const details = { where, expected: oldest === version ? `${version}` : `${oldest} to ${version}` };
    if (!Number.isInteger(stored)) {
      throw new TunesmithError('FILE_INVALID', `the ${kind} has no version`, {
        ...details,
        got: JSON.stringify(stored) ?? 'nothing',
      });
    }
    const got = String(stored);
    if ((stored as number) > version) {
      const hint = 'Update Tunesmith to read it.';
      throw new TunesmithError('API_VERSION', `the ${kind} was written by a newer Tunesmith`, {
        ...details,
        got,
        hint,
      });
    }
    if ((stored as number) < oldest) {
      throw new TunesmithError('API_VERSION', `the ${kind} has a version that is no longer read`, { ...details, got });
    }
  }

  return {
    kind,
    version,
    upgrade,
    parse: (text, where) => upgrade(parseJson(text, where), where),
    read: async (path) => upgrade(await readJsonObject(path), path),
    stamp,
    format,
    async write(path, value) {
      const text = format(value);
      await writeFileAtomically(path, (handle) => handle.writeFile(text));
    },
  };
}
