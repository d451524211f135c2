import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anatomyProblems, indexProblems, manifestProblems } from './anatomy.js';
import type { Manifest } from './workspace.js';

const manifest: Manifest = {
  name: '@tunesmith/ranks',
  version: '0.1.0',
  type: 'module',
  license: 'Apache-2.0',
  description: 'Ranks',
  exports: {
    '.': { 'tunesmith-source': './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' },
    './package.json': './package.json',
  },
};
const folder = 'packages/ranks';

describe('indexProblems', () => {
  it.each(["export { a } from './a.js';", "export type { A } from './a.js';", 'export {};', '/** A comment. */'])(
    'accepts %s',
    (text) => {
      expect(indexProblems('index.ts', text)).toEqual([]);
    },
  );

  it.each([
    "export * from './a.js';",
    "export * as a from './a.js';",
    "import './a.js';",
    'export const a = 1;',
    'const a = 1;\nexport { a };',
  ])('rejects %s', (text) => {
    expect(indexProblems('index.ts', text)[0]).toMatch(/^index\.ts:1: /);
  });
});

describe('manifestProblems', () => {
  it('accepts a complete manifest', () => expect(manifestProblems({ folder, manifest })).toEqual([]));

  it.each<[string, Partial<Manifest>]>([
    ['"type"', { type: 'commonjs' }],
    ['"license"', { license: 'MIT' }],
    ['"description"', { description: '' }],
    ['tunesmith-plugin', { keywords: ['tunesmith-plugin'] }],
    ['tunesmith-plugin', { tunesmith: { apiVersion: 1, methods: ['ranks'] } }],
    [
      'of one X',
      {
        exports: {
          '.': { 'tunesmith-source': './src/index.ts', types: './dist/main.d.ts', default: './dist/index.js' },
        },
      },
    ],
    [
      'in this order',
      {
        exports: {
          '.': { default: './dist/index.js', types: './dist/index.d.ts', 'tunesmith-source': './src/index.ts' },
        },
      },
    ],
  ])('asks for %s', (part, change) => {
    const problems = manifestProblems({ folder, manifest: { ...manifest, ...change } });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(part);
  });
});

describe('anatomyProblems', () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'tunesmith-anatomy-'));
    mkdirSync(join(root, folder, 'src/rank'), { recursive: true });
    writeFileSync(join(root, folder, 'package.json'), '{}');
    writeFileSync(join(root, folder, 'src/index.ts'), 'export {};');
    writeFileSync(join(root, folder, 'src/rank/utils.ts'), '');
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('names missing parts and names that say nothing', () => {
    expect(anatomyProblems(root, { folder, manifest })).toEqual([
      'packages/ranks has no README.md',
      'packages/ranks has no turbo.json',
      'packages/ranks has no tsup.config.ts',
      'packages/ranks/src/rank/utils.ts: the name does not say what is inside',
    ]);
  });
});
