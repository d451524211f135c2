import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';
import { entries, type WorkspacePackage } from './workspace.js';

const files = ['README.md', 'package.json', 'turbo.json', 'tsup.config.ts', 'src/index.ts'];
const saysNothing = /^(utils?|helpers?|common|misc|shared)(\.|$)/;

/** What in a package departs from the anatomy that all packages have; one sentence each. */
export function anatomyProblems(root: string, member: WorkspacePackage): string[] {
  const folder = join(root, member.folder);
  const sources = existsSync(join(folder, 'src'))
    ? readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' }).map((path) => `src/${path}`)
    : [];
  return [
    ...files.filter((file) => !existsSync(join(folder, file))).map((file) => `${member.folder} has no ${file}`),
    ...sources
      .filter((path) => saysNothing.test(basename(path)))
      .map((path) => `${member.folder}/${path}: the name does not say what is inside`),
    ...sources
      .filter((path) => basename(path) === 'index.ts')
      .flatMap((path) => indexProblems(`${member.folder}/${path}`, readFileSync(join(folder, path), 'utf8'))),
    ...manifestProblems(member),
  ];
}

/** An `index.ts` lists names exported from elsewhere, and does nothing else. */
export function indexProblems(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
  return source.statements
    .filter((statement) => !(ts.isExportDeclaration(statement) && statement.exportClause && namesOnly(statement)))
    .map((statement) => {
      const line = source.getLineAndCharacterOfPosition(statement.getStart(source)).line + 1;
      return `${path}:${line}: an index file only re-exports names, as in \`export { name } from './file.js'\``;
    });
}

function namesOnly({ exportClause, moduleSpecifier }: ts.ExportDeclaration): boolean {
  if (!exportClause || !ts.isNamedExports(exportClause)) return false;
  return moduleSpecifier !== undefined || exportClause.elements.length === 0;
}

/** A manifest names its licence, ships ES modules with types, and says it is a plugin exactly if it offers methods. */
export function manifestProblems(member: WorkspacePackage): string[] {
  const { folder, manifest } = member;
  const problems: string[] = [];
  if (manifest.type !== 'module') problems.push('"type" must be "module"');
  if (manifest.license !== 'Apache-2.0') problems.push('"license" must be "Apache-2.0"');
  if (!manifest.description) problems.push('"description" is missing');
  if (Boolean(manifest.tunesmith) !== Boolean(manifest.keywords?.includes('tunesmith-plugin')))
    problems.push('the keyword "tunesmith-plugin" and the "tunesmith" manifest come together');
  for (const { subpath, ...entry } of entries(member)) {
    const stem = entry['tunesmith-source']?.match(/^\.\/src\/(.+)\.ts$/)?.[1];
    if (!stem || entry.types !== `./dist/${stem}.d.ts` || entry.default !== `./dist/${stem}.js`)
      problems.push(`exports["${subpath}"] must be src/X.ts, dist/X.d.ts and dist/X.js of one X`);
    if (Object.keys(entry).join() !== 'tunesmith-source,types,default')
      problems.push(`exports["${subpath}"] must have tunesmith-source, types and default, in this order`);
  }
  return problems.map((problem) => `${folder}/package.json: ${problem}`);
}
