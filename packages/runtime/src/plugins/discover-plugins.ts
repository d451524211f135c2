import { readdir, readFile, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/** What a package's package.json says of the methods and objectives that it offers; read without running anything of it. */
export interface Plugin {
  readonly name: string;
  readonly version: string;
  /** The package's folder, symbolic links resolved. */
  readonly path: string;
  readonly apiVersion: number;
  readonly methods: readonly string[];
  readonly objectives: readonly string[];
  /** Values of PEFT's `peft_type` whose adapters its methods load. */
  readonly peftTypes: readonly string[];
  /** Whether its methods load adapters of AdapterHub's library. */
  readonly readsAdapterHub: boolean;
  /** What is wrong with the manifest; such a plugin is listed and never loaded. */
  readonly problem?: string;
}

const pluginKeyword = 'tunesmith-plugin';

const names = z.array(z.string().min(1)).default([]);

const manifestSchema = z
  .strictObject({
    apiVersion: z.int(),
    methods: names,
    objectives: names,
    peftTypes: z.array(z.string().min(1)).default([]),
    readsAdapterHub: z.boolean().default(false),
  })
  .refine(({ methods, objectives }) => methods.length + objectives.length > 0, { message: 'it offers nothing' });

const packageSchema = z.object({
  name: z.string(),
  version: z.string().default(''),
  keywords: z.array(z.string()),
  tunesmith: z.unknown(),
});

/**
 * The plugins installed where each root resolves its packages: every `node_modules` from it up to the file system's root.
 * A package nearer to the first root hides one of its name further away, as it does when imported.
 */
export async function discoverPlugins(roots: readonly string[]): Promise<Plugin[]> {
  const found = new Map<string, Plugin>();
  for (const folder of new Set(roots.flatMap(moduleFolders))) {
    for (const path of await packageFolders(folder)) {
      const plugin = await readPlugin(path);
      if (plugin !== undefined && !found.has(plugin.name)) found.set(plugin.name, plugin);
    }
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

function moduleFolders(root: string): string[] {
  const parent = dirname(root);
  return [join(root, 'node_modules'), ...(parent === root ? [] : moduleFolders(parent))];
}

async function packageFolders(folder: string): Promise<string[]> {
  const names = await namesIn(folder);
  const scoped = names.filter((name) => name.startsWith('@'));
  const inScopes = await Promise.all(
    scoped.map(async (scope) => (await namesIn(join(folder, scope))).map((name) => join(folder, scope, name))),
  );
  const plain = names.filter((name) => !name.startsWith('@') && !name.startsWith('.'));
  return [...plain.map((name) => join(folder, name)), ...inScopes.flat()];
}

async function readPlugin(folder: string): Promise<Plugin | undefined> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
  // Most packages are no plugins: a search of the text is a hundred times cheaper than parsing them all.
  if (text?.includes(pluginKeyword) !== true) return undefined;
  const manifest = packageSchema.safeParse(JSON.parse(text));
  if (!manifest.success || !manifest.data.keywords.includes(pluginKeyword)) return undefined;
  const { name, version, tunesmith } = manifest.data;
  const path = await realpath(folder);
  const offer = manifestSchema.safeParse(tunesmith);
  if (offer.success) return { name, version, path, ...offer.data };
  const problem = `its "tunesmith" manifest is not { apiVersion, methods, objectives }: ${offer.error.issues
    .map(({ path: keys, message }) => `${keys.join('.') || 'tunesmith'}: ${message}`)
    .join('; ')}`;
  const nothing = { apiVersion: 0, methods: [], objectives: [], peftTypes: [], readsAdapterHub: false };
  return { name, version, path, ...nothing, problem };
}

/** Nothing for a folder that is not there. */
async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
