import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** The fields of a package.json that the checks read. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly type?: string;
  readonly license?: string;
  readonly description?: string;
  readonly keywords?: readonly string[];
  readonly tunesmith?: {
    readonly apiVersion: number;
    readonly methods?: readonly string[];
    readonly objectives?: readonly string[];
  };
  readonly bin?: Record<string, string>;
  readonly exports?: Record<string, string | Entry>;
}

/** One code entry of a package's `exports`. */
export interface Entry {
  readonly 'tunesmith-source': string;
  readonly types: string;
  readonly default: string;
}

export interface WorkspacePackage {
  /** Folder relative to the root, such as `packages/core`. */
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Every package of the workspace, by folder. */
export function workspacePackages(from = root): WorkspacePackage[] {
  return ['packages', 'apps'].flatMap((parent) =>
    readdirSync(join(from, parent))
      .map((name) => `${parent}/${name}`)
      .filter((folder) => existsSync(join(from, folder, 'package.json')))
      .map((folder) => ({
        folder,
        manifest: JSON.parse(readFileSync(join(from, folder, 'package.json'), 'utf8')) as Manifest,
      })),
  );
}

/** The entries of a package that hold code: `.` and its subpaths, but not `./package.json`. */
export function entries({ manifest }: WorkspacePackage): (Entry & { readonly subpath: string })[] {
  return Object.entries(manifest.exports ?? {}).flatMap(([subpath, entry]) =>
    typeof entry === 'string' ? [] : [{ subpath, ...entry }],
  );
}

/** Prints what a check found and fails the process if it found anything. */
export function report(check: string, problems: readonly string[]): void {
  for (const problem of problems) console.error(`✗ ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
  else console.log(`✓ ${check}`);
}
