import { isAbsolute } from 'node:path';
import { discoverPlugins, type MethodLookup, type Recipe } from '@tunesmith/runtime';
import { resolveModulePath } from 'exsolve';
import { hashModules } from '../identity/module-graph.js';

/** The hash of the code that a trial runs: its process's, that of its methods and objective, and of plugins given explicitly. */
export async function codeOf(
  entry: string,
  { methods, objective }: Pick<Recipe, 'methods' | 'objective'>,
  { roots, plugins = [] }: MethodLookup,
): Promise<string> {
  const installed = await discoverPlugins(roots);
  const names = methods.map(({ name }) => name);
  const named = installed.filter(
    (plugin) => plugin.objectives.includes(objective.name) || plugin.methods.some((method) => names.includes(method)),
  );
  const found = named.map(({ name, path }) => resolveModulePath(name, { from: [path], try: true }));
  const given = plugins.map((plugin) =>
    isAbsolute(plugin) ? plugin : resolveModulePath(plugin, { from: [...roots], try: true }),
  );
  return hashModules([entry, ...found, ...given].filter((path) => path !== undefined));
}
