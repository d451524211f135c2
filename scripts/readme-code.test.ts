import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeBlocks, strayExcerpts, typeErrors } from './readme-code.js';
import { root, workspacePackages } from './workspace.js';

const texts = ['README.md', 'docs/extending.md', 'examples/third-party-plugin/README.md'];
const readmes = [...texts, ...workspacePackages().map(({ folder }) => `${folder}/README.md`)];
const blocks = readmes.flatMap((readme) => codeBlocks(readme, readFileSync(join(root, readme), 'utf8')));

describe('code in READMEs', () => {
  it('is a part of the file that it names', () => {
    expect(blocks.some(({ from }) => from !== undefined)).toBe(true);
    expect(strayExcerpts(blocks)).toEqual([]);
  });

  it('has the right types', { timeout: 180_000 }, () => {
    const wrong = [
      '```ts\nimport { lora } from "@tunesmith/lora";\nconst method = lora({ rank: 8 });\n```',
      '<!-- given: declare const other: string; -->\n\n```ts\nlora({ rank: other });\n```',
    ].join('\n\n');
    expect(typeErrors([...blocks, ...codeBlocks('wrong.md', wrong)])).toEqual([
      "wrong.md:9: Type 'string' is not assignable to type 'number'.",
    ]);
  });

  it('is found with what stands before it', () => {
    const text = '# A\n\n<!-- from a/b.ts -->\n\n```ts\nf();\n```\n\n```sh\nls\n```\n\nText.\n\n```ts\ng();\n```\n';
    expect(codeBlocks('r.md', text)).toEqual([
      { readme: 'r.md', line: 6, code: 'f();\n', from: 'a/b.ts', given: '' },
      { readme: 'r.md', line: 16, code: 'g();\n', from: undefined, given: '' },
    ]);
    expect(strayExcerpts(codeBlocks('r.md', text))).toEqual(['r.md:6 is no part of a/b.ts']);
  });
});
