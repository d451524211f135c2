import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { root } from './workspace.js';

/** A TypeScript block of a README. */
export interface CodeBlock {
  /** Path of the README from the root, and the block's first line there. */
  readonly readme: string;
  readonly line: number;
  readonly code: string;
  /** `<!-- from PATH -->` before a block: it is a part of that file, from the root. */
  readonly from: string | undefined;
  /** `<!-- given: … -->` before a block: declarations that its reader knows from the text. */
  readonly given: string;
}

export function codeBlocks(readme: string, text: string): CodeBlock[] {
  const lines = text.split('\n');
  const blocks: CodeBlock[] = [];
  for (let index = 0; index < lines.length; index++) {
    if (lines[index] !== '```ts') continue;
    const end = lines.indexOf('```', index);
    let before = index - 1;
    while (lines[before] === '') before--;
    const comment = (lines[before] ?? '').match(/^<!-- (from|given:) (.*) -->$/);
    blocks.push({
      readme,
      line: index + 2,
      code: `${lines.slice(index + 1, end).join('\n')}\n`,
      from: comment?.[1] === 'from' ? comment[2] : undefined,
      given: comment?.[1] === 'given:' ? (comment[2] as string) : '',
    });
    index = end;
  }
  return blocks;
}

/** Blocks that name a file and are no part of it; one sentence each. */
export function strayExcerpts(blocks: readonly CodeBlock[]): string[] {
  return blocks.flatMap(({ readme, line, code, from }) => {
    if (from === undefined) return [];
    const path = join(root, from);
    const isThere = existsSync(path) && readFileSync(path, 'utf8').includes(code);
    return isThere ? [] : [`${readme}:${line} is no part of ${from}`];
  });
}

/**
 * The type errors of the other blocks, as modules beside their README. A block that imports nothing goes on where the one
 * before it ended.
 */
export function typeErrors(blocks: readonly CodeBlock[]): string[] {
  const modules = new Map<string, { text: string; block: CodeBlock; lines: number }>();
  let before = { readme: '', code: '' };
  for (const block of blocks.filter(({ from }) => from === undefined)) {
    const goesOn = !/^import /m.test(block.code) && before.readme === block.readme;
    const start = `${goesOn ? before.code : ''}${block.given === '' ? '' : `${block.given}\n`}`;
    const text = `${start}${block.code}`;
    const path = join(root, dirname(block.readme), `readme-block-${block.line}.ts`);
    modules.set(path, { text: `${text}export {};\n`, block, lines: start.split('\n').length - 1 });
    before = { readme: block.readme, code: text };
  }
  const program = programOf(new Map([...modules].map(([path, { text }]) => [path, text])));
  return [...modules].flatMap(([path, { block, lines }]) => {
    const file = program.getSourceFile(path) as ts.SourceFile;
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map((problem) => {
      const line = block.line + ts.getLineAndCharacterOfPosition(file, problem.start ?? 0).line - lines;
      return `${block.readme}:${line}: ${ts.flattenDiagnosticMessageText(problem.messageText, ' ')}`;
    });
  });
}

/** A program over files that exist in memory only, under the repository's own compiler options. */
function programOf(files: ReadonlyMap<string, string>): ts.Program {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile) as { config: object };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  const host = ts.createCompilerHost({ ...options, incremental: false });
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists.call(host, path);
  host.readFile = (path) => files.get(path) ?? readFile.call(host, path);
  host.getSourceFile = (path, language, ...rest) => {
    const text = files.get(path);
    return text === undefined
      ? getSourceFile.call(host, path, language, ...rest)
      : ts.createSourceFile(path, text, language);
  };
  return ts.createProgram([...files.keys()], { ...options, incremental: false, noEmit: true }, host);
}
