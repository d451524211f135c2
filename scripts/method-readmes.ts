import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MethodFactory } from '@tunesmith/core';
import type { z } from 'zod';
import { root, workspacePackages } from './workspace.js';

export interface MethodReadme {
  readonly path: string;
  /** The config schemas of the methods that the package's manifest offers, by name. */
  readonly schemas: ReadonlyMap<string, z.ZodObject>;
}

/** What offers methods: the packages whose manifest says so, and the example of one. */
function plugins(): { folder: string; entry: string; methods: readonly string[] }[] {
  const packages = workspacePackages().flatMap(({ folder, manifest: { tunesmith } }) =>
    tunesmith === undefined ? [] : [{ folder, entry: 'src/index.ts', methods: tunesmith.methods }],
  );
  return [...packages, { folder: 'examples/third-party-plugin', entry: 'src/vera.ts', methods: ['vera'] }];
}

/** The README of everything that offers methods. */
export function methodReadmes(): Promise<MethodReadme[]> {
  return Promise.all(
    plugins().map(async ({ folder, entry, methods }) => {
      const source = pathToFileURL(join(root, folder, entry)).href;
      const exports = Object.values((await import(source)) as Record<string, Partial<MethodFactory>>);
      const schemas = methods.map((name) => {
        const factory = exports.find(({ definition }) => definition?.name === name);
        if (factory?.definition === undefined) throw new Error(`${folder} exports no method "${name}".`);
        return [name, factory.definition.config] as const;
      });
      return { path: join(root, folder, 'README.md'), schemas: new Map(schemas) };
    }),
  );
}
