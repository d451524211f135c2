import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '@tunesmith/core';
import type { TaskDefinition } from './task.js';

const sizes = { validation: 40, test: 80 } as const;

/** TypeScript's declarations of the browser: a language with few words and strict forms. */
export const browserDeclarations: TaskDefinition = {
  name: 'browser-declarations',
  summary: 'Language modelling of TypeScript’s declarations of browsers, comments left out.',
  licence: 'Apache-2.0',
  source: '@types/web 0.0.359',
  objective: { name: 'sft' },
  data: { format: 'text', maxLength: 128 },
  // Not bits a byte: the words' frequencies alone, learnt from text in any order, halve those.
  metric: { name: 'tokenAccuracy', ceiling: 1 },
  async rows({ npmPackage }) {
    const folder = await npmPackage({
      name: '@types/web',
      version: '0.0.359',
      sha512: 'rggYl8j9E6R8CgHidONXf7B5jJk9iidDaNl6xhRKHgFtb8ES49mxrOIDjDVmiS3n0Mv2QcB3jC/9FvaGQ6n20A==',
    });
    const all = interfaces(await readFile(join(folder, 'index.d.ts'), 'utf8')).map((text) => ({ text }));
    const rows = createRandom(0, 'declarations').sample(all, all.length);
    const held = sizes.test + sizes.validation;
    return { test: rows.slice(0, sizes.test), validation: rows.slice(sizes.test, held), train: rows.slice(held) };
  },
};

/** The interfaces that are no stubs and no novels, one text each. */
function interfaces(source: string): string[] {
  const bare = source
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
    .replaceAll(/^\s*\n/gm, '');
  const parts = bare.split(/^(?=interface |declare |type )/m);
  return parts.filter((part) => part.startsWith('interface ') && part.length > 80 && part.length < 2000);
}
