import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MethodFactory, ObjectiveFactory } from '@tunesmith/core';
import type { z } from 'zod';
import { root, workspacePackages } from './workspace.js';

export interface MethodReadme {
  readonly path: string;
  /** The config schemas of what the package's manifest offers, by name. */
  readonly schemas: ReadonlyMap<string, z.ZodObject>;
}

/** What offers methods or objectives: the packages whose manifest says so, and the example of one. */
function plugins(): { folder: string; entry: string; offered: readonly string[] }[] {
  const packages = workspacePackages().flatMap(({ folder, manifest: { tunesmith } }) =>
    tunesmith === undefined
      ? []
      : [{ folder, entry: 'src/index.ts', offered: [...(tunesmith.methods ?? []), ...(tunesmith.objectives ?? [])] }],
  );
  return [...packages, { folder: 'examples/third-party-plugin', entry: 'src/vera.ts', offered: ['vera'] }];
}

/** The README of everything that offers methods or objectives. */
export function methodReadmes(): Promise<MethodReadme[]> {
  return Promise.all(
    plugins().map(async ({ folder, entry, offered }) => {
      const source = pathToFileURL(join(root, folder, entry)).href;
      const exports = Object.values(
        (await import(source)) as Record<string, Partial<MethodFactory | ObjectiveFactory>>,
      );
      const schemas = offered.map((name) => {
        const factory = exports.find(({ definition }) => definition?.name === name);
        if (factory?.definition === undefined) throw new Error(`${folder} exports no "${name}".`);
        return [name, factory.definition.config] as const;
      });
      return { path: join(root, folder, 'README.md'), schemas: new Map(schemas) };
    }),
  );
}
