import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { init, parse } from 'es-module-lexer';
import { resolveModulePath } from 'exsolve';

/**
 * SHA-256 of the code that a process runs: every module reached from the entries by imports. A module of a workspace is its
 * content; one below node_modules came from a registry, where it cannot change, and is its package's name and version.
 */
export async function hashModules(entries: readonly string[]): Promise<string> {
  await init;
  const parts = new Map<string, string>();
  const pending = [...entries];
  while (pending.length > 0) {
    const path = await realpath(pending.pop() as string);
    if (parts.has(path)) continue;
    if (path.split(/[\\/]/).includes('node_modules')) {
      parts.set(path, await installedPackage(path));
      continue;
    }
    const text = await readFile(path, 'utf8');
    parts.set(path, createHash('sha256').update(text).digest('hex'));
    pending.push(...imported(text, path));
  }
  // Of where the modules lie nothing is kept.
  return createHash('sha256')
    .update([...new Set(parts.values())].sort().join('\n'))
    .digest('hex');
}

/** Files that a module imports; what cannot be resolved here, such as an optional package, is nothing. */
function imported(text: string, path: string): string[] {
  return specifiers(text).flatMap((specifier) => {
    if (specifier.startsWith('node:') || builtinModules.includes(specifier)) return [];
    if (specifier.startsWith('.')) return [join(dirname(path), specifier)];
    if (specifier.startsWith('file:')) return [fileURLToPath(specifier)];
    const found = resolveModulePath(specifier, { from: path, try: true });
    return found === undefined ? [] : [found];
  });
}

function specifiers(text: string): string[] {
  try {
    return parse(text)[0].flatMap(({ n }) => (n === undefined ? [] : [n]));
  } catch {
    return []; // TypeScript, or CommonJS that is no module: its own content is what counts.
  }
}

async function installedPackage(path: string): Promise<string> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const manifest = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
    const { name, version } = (manifest === undefined ? {} : JSON.parse(manifest)) as Record<string, string>;
    if (name !== undefined && version !== undefined) return `${name}@${version}`;
    if (folder === dirname(folder)) return path;
  }
}
