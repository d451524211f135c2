import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatJson, parseJson, readJsonObject } from './strict-json.js';

describe('formatJson', () => {
  it('indents by two and sorts keys at every level when asked', () => {
    const value = { b: [{ z: 1, y: null }], a: { d: 'ü', c: undefined } };
    expect(formatJson(value, { sortKeys: true })).toBe(
      '{\n  "a": {\n    "d": "ü"\n  },\n  "b": [\n    {\n      "y": null,\n      "z": 1\n    }\n  ]\n}\n',
    );
    expect(Object.keys(JSON.parse(formatJson(value)))).toEqual(['b', 'a']);
  });

  it.each<[unknown, string]>([
    [Number.NaN, 'NaN'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
    [undefined, 'undefined'],
    [1n, '1'],
    [new Map(), 'a Map'],
    [new Float32Array(2), 'a Float32Array'],
    [new Date(0), 'a Date'],
  ])('refuses %s instead of changing it', (value, got) => {
    expect(() => formatJson({ best: [0, value] })).toThrow(
      `DATA_INVALID at best[1]: JSON cannot hold this value; got ${got}.`,
    );
  });
});

describe('reading', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'json-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('names the file that is no JSON, no object, or not there', async () => {
    const path = join(folder, 'config.json');
    await expect(readJsonObject(path)).rejects.toThrow(`FILE_MISSING at ${path}`);
    await writeFile(path, '[1]');
    await expect(readJsonObject(path)).rejects.toThrow(`FILE_INVALID at ${path}: the file holds no JSON object.`);
    await writeFile(path, '{"a": NaN}');
    await expect(readJsonObject(path)).rejects.toThrow(`FILE_INVALID at ${path}: the file is not JSON (`);
    expect(() => parseJson('', 'x')).toThrow('FILE_INVALID at x');
  });
});
