import { realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { apiVersion, didYouMean, type MethodFactory, TunesmithError } from '@tunesmith/core';
import { resolveModulePath } from 'exsolve';
import { createJiti } from 'jiti';
import { discoverPlugins, type Plugin } from './discover-plugins.js';

/** Where methods are looked for, and what is imported whatever its manifest says. */
export interface MethodLookup {
  /** Folders that packages are resolved from, the user's first: the working folder, the command's own. */
  readonly roots: readonly string[];
  /** Packages or files that offer methods (`--plugin`). */
  readonly plugins?: readonly string[];
}

/**
 * The factories of the named methods, in order: from the plugins given explicitly, else from the installed package whose
 * manifest offers the name. Only these are imported.
 * @throws NAME_UNKNOWN, METHOD_CONFLICT where two packages offer the name, API_VERSION
 */
export async function loadMethods(names: readonly string[], lookup: MethodLookup): Promise<MethodFactory[]> {
  const explicit = await loadExplicit(lookup);
  if (names.every((name) => explicit.has(name))) return names.map((name) => explicit.get(name) as MethodFactory);
  const installed = await discoverPlugins(lookup.roots);
  return Promise.all(
    names.map(async (name) => {
      const given = explicit.get(name);
      if (given !== undefined) return given;
      const plugin = choosePlugin(name, installed, [...explicit.keys()]);
      return pickMethod(await importPlugin(plugin.name, plugin.path), name, plugin.name);
    }),
  );
}

/** The methods that may read an adapter of a PEFT type: those of the plugins given, and of manifests that name the type. */
export async function loadMethodsForPeft(peftType: string, lookup: MethodLookup): Promise<MethodFactory[]> {
  const { factories, installed } = await loadReaders(lookup, ({ peftTypes }) => peftTypes.includes(peftType));
  if (factories.length > 0) return factories;
  throw new TunesmithError('NAME_UNKNOWN', `no installed method loads PEFT adapters of type ${peftType}`, {
    hint: didYouMean(peftType, new Set(installed.flatMap(({ peftTypes }) => peftTypes))),
  });
}

/** The methods that may read an adapter of AdapterHub's library: those of the plugins given, and of manifests that say so. */
export async function loadMethodsForAdapterHub(lookup: MethodLookup): Promise<MethodFactory[]> {
  const { factories } = await loadReaders(lookup, ({ readsAdapterHub }) => readsAdapterHub);
  if (factories.length > 0) return factories;
  throw new TunesmithError('NAME_UNKNOWN', 'no installed method loads adapters of AdapterHub', {
    hint: 'npm install @tunesmith/adapter',
  });
}

async function loadReaders(
  lookup: MethodLookup,
  reads: (plugin: Plugin) => boolean,
): Promise<{ factories: MethodFactory[]; installed: readonly Plugin[] }> {
  const explicit = [...(await loadExplicit(lookup)).values()];
  const installed = await discoverPlugins(lookup.roots);
  const offering = installed.filter(reads);
  const offered = await Promise.all(
    offering.map(async (plugin) => {
      const exports = await importPlugin(plugin.name, plugin.path);
      return plugin.methods.map((name) => pickMethod(exports, name, plugin.name));
    }),
  );
  return { factories: [...explicit, ...offered.flat()], installed };
}

/** The installed package that offers a method. */
function choosePlugin(name: string, installed: readonly Plugin[], explicit: readonly string[]): Plugin {
  const offering = installed.filter(({ methods }) => methods.includes(name));
  const [plugin, other] = offering;
  if (plugin === undefined) {
    const known = [...explicit, ...installed.flatMap(({ methods }) => methods)];
    throw new TunesmithError('NAME_UNKNOWN', `no installed package offers the method "${name}"`, {
      hint: `${didYouMean(name, known)} Install the package that offers it, or name it with --plugin; \`tunesmith plugins\` lists what is installed.`,
    });
  }
  if (other !== undefined) {
    throw new TunesmithError('METHOD_CONFLICT', `two installed packages offer the method "${name}"`, {
      got: `${plugin.name} (${plugin.path}) and ${other.name} (${other.path})`,
      hint: 'Choose one with --plugin, or uninstall the other.',
    });
  }
  if (plugin.apiVersion !== apiVersion) throw wrongApiVersion(plugin.name, plugin.apiVersion);
  return plugin;
}

async function loadExplicit({ plugins = [], roots }: MethodLookup): Promise<Map<string, MethodFactory>> {
  const factories = new Map<string, MethodFactory>();
  for (const specifier of plugins) {
    const exports = await importPlugin(specifier, specifier, roots);
    const offered = methodsIn(exports);
    if (offered.length === 0) throw offersNothing(specifier);
    for (const factory of offered) {
      checkApiVersion(factory, specifier);
      const { name } = factory.definition;
      if (factories.has(name)) {
        throw new TunesmithError('METHOD_CONFLICT', `two of the plugins given offer the method "${name}"`, {
          got: plugins.join(', '),
        });
      }
      factories.set(name, factory);
    }
  }
  return factories;
}

type Exports = Readonly<Record<string, unknown>>;

async function importPlugin(name: string, path: string, roots: readonly string[] = []): Promise<Exports> {
  const entry = isAbsolute(path) && roots.length > 0 ? path : resolveEntry(name, roots.length > 0 ? roots : [path]);
  await refuseSecondCore(entry, name);
  try {
    if (/\.[cm]?ts$/.test(entry)) return (await createJiti(import.meta.url).import(entry)) as Exports;
    return (await import(pathToFileURL(entry).href)) as Exports;
  } catch (cause) {
    throw new TunesmithError('FILE_INVALID', `the plugin fails when it is imported: ${(cause as Error).message}`, {
      where: name,
      cause,
    });
  }
}

/** A package's own folder resolves the package too, because a package may import itself by name. */
function resolveEntry(name: string, roots: readonly string[]): string {
  const from = roots.map((root) => pathToFileURL(join(root, '/')));
  const entry = resolveModulePath(name, { from, try: true });
  if (entry !== undefined) return entry;
  throw new TunesmithError('FILE_MISSING', `the plugin "${name}" cannot be found`, {
    expected: `a package that resolves from ${roots.join(' or ')}, or a path that begins with ./`,
    hint: `npm install ${name}`,
  });
}

/** A plugin with an engine of its own makes tensors that ours can't use: better said here than at its first op. */
async function refuseSecondCore(entry: string, name: string): Promise<void> {
  const theirs = resolveModulePath('@tunesmith/core/package.json', { from: pathToFileURL(entry), try: true });
  const ours = resolveModulePath('@tunesmith/core/package.json', { from: import.meta.url, try: true });
  if (theirs === undefined || ours === undefined || (await realpath(theirs)) === (await realpath(ours))) return;
  throw new TunesmithError('API_VERSION', `the plugin "${name}" brings another copy of @tunesmith/core`, {
    expected: ours,
    got: theirs,
    hint: 'Let the plugin declare @tunesmith/core as a peer dependency, and install the plugin beside tunesmith.',
  });
}

function pickMethod(exports: Exports, name: string, plugin: string): MethodFactory {
  const offered = methodsIn(exports);
  const factory = offered.find(({ definition }) => definition.name === name);
  if (factory === undefined) {
    throw new TunesmithError('NAME_UNKNOWN', `the package exports no method "${name}", which its manifest offers`, {
      where: plugin,
      hint: didYouMean(
        name,
        offered.map(({ definition }) => definition.name),
      ),
    });
  }
  checkApiVersion(factory, plugin);
  return factory;
}

/** A plugin's methods: its export `methods`, a list or a record, else every export made by `defineMethod`. */
function methodsIn(exports: Exports): MethodFactory[] {
  const listed = exports.methods;
  const values = typeof listed === 'object' && listed !== null ? Object.values(listed) : Object.values(exports);
  return [...new Set(values.filter(isFactory))];
}

function isFactory(value: unknown): value is MethodFactory {
  if (typeof value !== 'function' || !('definition' in value)) return false;
  const { definition } = value as { definition: unknown };
  return typeof definition === 'object' && definition !== null && 'name' in definition && 'config' in definition;
}

function checkApiVersion({ definition }: MethodFactory, plugin: string): void {
  if (definition.apiVersion !== apiVersion) throw wrongApiVersion(plugin, definition.apiVersion);
}

function wrongApiVersion(plugin: string, got: number): TunesmithError {
  return new TunesmithError('API_VERSION', `the plugin "${plugin}" was written for another plugin contract`, {
    expected: `apiVersion ${apiVersion}`,
    got: String(got),
    hint: 'Install versions of the plugin and of tunesmith that go together.',
  });
}

function offersNothing(specifier: string): TunesmithError {
  return new TunesmithError('NAME_UNKNOWN', 'the plugin offers no method', {
    where: specifier,
    expected: 'an export made by defineMethod',
  });
}
