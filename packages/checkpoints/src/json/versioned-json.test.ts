import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineVersionedJson } from './versioned-json.js';

// Version 1 had `lr`, version 2 `learningRate`, version 3 `optimizer.learningRate`.
const recipe = defineVersionedJson({
  kind: 'recipe',
  version: 3,
  schema: z.strictObject({ name: z.string(), optimizer: z.strictObject({ learningRate: z.number().positive() }) }),
  migrations: {
    1: ({ lr, ...rest }) => ({ ...rest, learningRate: lr }),
    2: ({ learningRate, ...rest }) => ({ ...rest, optimizer: { learningRate } }),
  },
});
const value = { name: 'a', optimizer: { learningRate: 0.1 } };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'versioned-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('defineVersionedJson', () => {
  it('writes the version first and reads its own file', async () => {
    const path = join(folder, 'deep', 'recipe.json');
    await recipe.write(path, value);
    expect(await readFile(path, 'utf8')).toMatch(/^\{\n {2}"version": 3,\n/);
    expect(await recipe.read(path)).toEqual(value);
  });

  it('migrates every older version step by step', () => {
    expect(recipe.upgrade({ version: 1, name: 'a', lr: 0.1 }, 'x')).toEqual(value);
    expect(recipe.parse('{"version": 2, "name": "a", "learningRate": 0.1}', 'x')).toEqual(value);
  });

  it.each<[string, unknown, string]>([
    [
      'newer',
      { version: 4, ...value },
      'API_VERSION at r.json: the recipe was written by a newer Tunesmith; expected 1 to 3, got 4. Update Tunesmith to read it.',
    ],
    [
      'forgotten',
      { version: 0, ...value },
      'API_VERSION at r.json: the recipe has a version that is no longer read; expected 1 to 3, got 0.',
    ],
    ['unversioned', value, 'FILE_INVALID at r.json: the recipe has no version; expected 1 to 3, got nothing.'],
    ['not an integer', { version: '3', ...value }, 'got "3"'],
    ['no object', [], 'FILE_INVALID at r.json: this is no recipe.'],
  ])('refuses one that is %s', (_, stored, message) => {
    expect(() => recipe.upgrade(stored, 'r.json')).toThrow(message);
  });

  it('names all fields that are wrong', () => {
    expect(() => recipe.upgrade({ version: 3, optimizer: { learningRate: -1 } }, 'r.json')).toThrow(
      /FILE_INVALID at r.json: this is no valid recipe: name: .*; optimizer.learningRate: /,
    );
  });

  it('refuses a table of migrations with a gap', () => {
    expect(() =>
      defineVersionedJson({ kind: 'recipe', version: 3, schema: z.object({}), migrations: { 1: (old) => old } }),
    ).toThrow('the recipe has no migration from version 2');
  });
});
