import { isAbsolute } from 'node:path';
import { discoverPlugins, type MethodLookup } from '@tunesmith/runtime';
import { resolveModulePath } from 'exsolve';
import { hashModules } from '../identity/module-graph.js';

/** The hash of the code that a trial runs: its process's, its methods' and that of plugins given explicitly. */
export async function codeOf(
  entry: string,
  methods: readonly string[],
  { roots, plugins = [] }: MethodLookup,
): Promise<string> {
  const installed = await discoverPlugins(roots);
  const named = installed.filter((plugin) => plugin.methods.some((method) => methods.includes(method)));
  const found = named.map(({ name, path }) => resolveModulePath(name, { from: [path], try: true }));
  const given = plugins.map((plugin) =>
    isAbsolute(plugin) ? plugin : resolveModulePath(plugin, { from: [...roots], try: true }),
  );
  return hashModules([entry, ...found, ...given].filter((path) => path !== undefined));
}
