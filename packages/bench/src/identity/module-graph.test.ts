import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashModules } from './module-graph.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modules-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

const installed = 'node_modules/lib';
const hash = (): Promise<string> => hashModules([join(folder, 'entry.mjs')]);

it('changes with every module that is reached, and with the version of what is installed', async () => {
  await write({
    'entry.mjs': "import { a } from './a.mjs';\nimport 'node:fs';\nimport 'lib';\nimport 'not-installed';\n",
    'a.mjs': "export const a = () => import('./late.mjs');\n",
    'late.mjs': 'export const late = 1;\n',
    'unused.mjs': 'export const unused = 1;\n',
    [`${installed}/package.json`]: '{ "name": "lib", "version": "1.0.0", "exports": "./index.js" }',
    [`${installed}/index.js`]: 'module.exports = 1;',
  });
  const before = await hash();
  await write({ 'unused.mjs': 'export const unused = 2;\n', [`${installed}/index.js`]: 'module.exports = 2;' });
  expect(await hash()).toBe(before);
  await write({ 'late.mjs': 'export const late = 2;\n' });
  const changed = await hash();
  expect(changed).not.toBe(before);
  await write({ [`${installed}/package.json`]: '{ "name": "lib", "version": "1.0.1", "exports": "./index.js" }' });
  expect(await hash()).not.toBe(changed);
});
