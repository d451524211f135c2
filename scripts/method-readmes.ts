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

/** The README of every package that offers methods. */
export function methodReadmes(): Promise<MethodReadme[]> {
  const plugins = workspacePackages().filter(({ manifest }) => manifest.tunesmith !== undefined);
  return Promise.all(
    plugins.map(async ({ folder, manifest }) => {
      const source = pathToFileURL(join(root, folder, 'src/index.ts')).href;
      const exports = Object.values((await import(source)) as Record<string, Partial<MethodFactory>>);
      const schemas = (manifest.tunesmith?.methods ?? []).map((name) => {
        const factory = exports.find(({ definition }) => definition?.name === name);
        if (factory?.definition === undefined) throw new Error(`${folder} exports no method "${name}".`);
        return [name, factory.definition.config] as const;
      });
      return { path: join(root, folder, 'README.md'), schemas: new Map(schemas) };
    }),
  );
}
