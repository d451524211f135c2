import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { browserProblems } from './browser-bundle.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunesmith-browser-'));
  writeFileSync(join(folder, 'portable.ts'), 'export const bytes = new Uint8Array(1);');
  writeFileSync(join(folder, 'node.ts'), "\nexport { openSync } from 'node:fs';");
  writeFileSync(join(folder, 'through.ts'), "export { openSync } from './node.js';");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('bundles what runs in a browser', async () => {
  expect(await browserProblems(folder, ['portable.ts'])).toEqual([]);
});

it('names the file that reaches a Node module, however far below the entry', async () => {
  expect(await browserProblems(folder, ['through.ts'])).toEqual([
    expect.stringMatching(/^node\.ts:2: Could not resolve "node:fs"/),
  ]);
});
