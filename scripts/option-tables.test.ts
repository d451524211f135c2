import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { methodReadmes } from './method-readmes.js';
import { optionTable, withOptionTables } from './option-table.js';
import { root } from './workspace.js';

const readmes = (await methodReadmes()).map((readme) => [relative(root, readme.path), readme] as const);

describe('option tables', () => {
  it.each(readmes)('of %s are what the schemas say (npm run tables)', (_, { path, schemas }) => {
    const readme = readFileSync(path, 'utf8');
    expect(withOptionTables(readme, schemas)).toBe(readme);
  });

  it('say type, limits and default', () => {
    const schema = z.object({
      rank: z.int().min(1).default(8).describe('How many.'),
      share: z.number().gt(0).max(1).optional().describe('A | B.'),
      names: z.union([z.string(), z.array(z.string())]).describe('Which.'),
      layers: z.array(z.int().min(0)).optional().describe('Where.'),
      by: z.record(z.string(), z.number()).default({}).describe('Each.'),
      mode: z.enum(['on', 'off']).default('on').describe('Whether.'),
    });
    expect(optionTable(schema).split('\n').slice(2)).toEqual([
      '| `rank` | integer ≥ 1 | `8` | How many. |',
      '| `share` | number > 0, ≤ 1 |  | A \\| B. |',
      '| `names` | string or list of strings |  | Which. |',
      '| `layers` | list of integers ≥ 0 |  | Where. |',
      '| `by` | map to number | `{}` | Each. |',
      '| `mode` | `on`, `off` | `"on"` | Whether. |',
    ]);
  });

  it('are asked for where a README has none', () => {
    expect(() => withOptionTables('# Text', new Map([['lora', z.object({})]]))).toThrow('options of lora');
  });
});
