import { realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { apiVersion, didYouMean, TunesmithError } from '@tunesmith/core';
import { resolveModulePath } from 'exsolve';
import { createJiti } from 'jiti';
import { discoverPlugins, type Plugin } from './discover-plugins.js';

/** Where methods and objectives are looked for, and what is imported whatever its manifest says. */
export interface MethodLookup {
  /** Folders that packages are resolved from, the user's first: the working folder, the command's own. */
  readonly roots: readonly string[];
  /** Packages or files that offer them (`--plugin`). */
  readonly plugins?: readonly string[];
}

/** What every factory of a plugin says of what it makes. */
interface Offered {
  readonly definition: { readonly name: string; readonly apiVersion: number };
}

/** One kind of thing that plugins offer: methods, or objectives. */
export interface OfferKind<Factory extends Offered> {
  readonly word: string;
  /** What a manifest says the package offers. */
  names(plugin: Plugin): readonly string[];
  /** The export that lists what a package offers, where it has one. */
  readonly list: string;
  isFactory(value: unknown): value is Factory;
}

/**
 * The factories of the named methods or objectives, in order: from the plugins given explicitly, else from the installed
 * package whose manifest offers the name. Only these are imported.
 * @throws NAME_UNKNOWN, METHOD_CONFLICT where two packages offer the name, API_VERSION
 */
export async function loadOffers<Factory extends Offered>(
  kind: OfferKind<Factory>,
  names: readonly string[],
  lookup: MethodLookup,
): Promise<Factory[]> {
  const explicit = await loadExplicit(kind, lookup);
  if (names.every((name) => explicit.has(name))) return names.map((name) => explicit.get(name) as Factory);
  const installed = await discoverPlugins(lookup.roots);
  return Promise.all(
    names.map(async (name) => {
      const given = explicit.get(name);
      if (given !== undefined) return given;
      const plugin = choosePlugin(kind, name, installed, [...explicit.keys()]);
      return pickOffer(kind, await importPlugin(plugin.name, plugin.path), name, plugin.name);
    }),
  );
}

/** The installed package that offers a name. */
function choosePlugin<Factory extends Offered>(
  { word, names }: OfferKind<Factory>,
  name: string,
  installed: readonly Plugin[],
  explicit: readonly string[],
): Plugin {
  const offering = installed.filter((each) => names(each).includes(name));
  const [plugin, other] = offering;
  if (plugin === undefined) {
    const known = [...explicit, ...installed.flatMap(names)];
    throw new TunesmithError('NAME_UNKNOWN', `no installed package offers the ${word} "${name}"`, {
      hint: `${didYouMean(name, known)} Install the package that offers it, or name it with --plugin; \`tunesmith plugins\` lists what is installed.`,
    });
  }
  if (other !== undefined) {
    throw new TunesmithError('METHOD_CONFLICT', `two installed packages offer the ${word} "${name}"`, {
      got: `${plugin.name} (${plugin.path}) and ${other.name} (${other.path})`,
      hint: 'Choose one with --plugin, or uninstall the other.',
    });
  }
  if (plugin.apiVersion !== apiVersion) throw wrongApiVersion(plugin.name, plugin.apiVersion);
  return plugin;
}

export async function loadExplicit<Factory extends Offered>(
  kind: OfferKind<Factory>,
  { plugins = [], roots }: MethodLookup,
): Promise<Map<string, Factory>> {
  const factories = new Map<string, Factory>();
  for (const specifier of plugins) {
    const exports = await importPlugin(specifier, specifier, roots);
    if (Object.values(exports).every((value) => !isOffer(value))) throw offersNothing(specifier);
    const offered = offersIn(kind, exports);
    for (const factory of offered) {
      checkApiVersion(factory, specifier);
      const { name } = factory.definition;
      if (factories.has(name)) {
        throw new TunesmithError('METHOD_CONFLICT', `two of the plugins given offer the ${kind.word} "${name}"`, {
          got: plugins.join(', '),
        });
      }
      factories.set(name, factory);
    }
  }
  return factories;
}

type Exports = Readonly<Record<string, unknown>>;

export async function importPlugin(name: string, path: string, roots: readonly string[] = []): Promise<Exports> {
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

export function pickOffer<Factory extends Offered>(
  kind: OfferKind<Factory>,
  exports: Exports,
  name: string,
  plugin: string,
): Factory {
  const offered = offersIn(kind, exports);
  const factory = offered.find(({ definition }) => definition.name === name);
  if (factory === undefined) {
    throw new TunesmithError(
      'NAME_UNKNOWN',
      `the package exports no ${kind.word} "${name}", which its manifest offers`,
      {
        where: plugin,
        hint: didYouMean(
          name,
          offered.map(({ definition }) => definition.name),
        ),
      },
    );
  }
  checkApiVersion(factory, plugin);
  return factory;
}

/** What a plugin offers of a kind: the export that lists it, a list or a record, else every export that is one. */
function offersIn<Factory extends Offered>({ list, isFactory }: OfferKind<Factory>, exports: Exports): Factory[] {
  const listed = exports[list];
  const values = typeof listed === 'object' && listed !== null ? Object.values(listed) : Object.values(exports);
  return [...new Set(values.filter(isFactory))];
}

function checkApiVersion({ definition }: Offered, plugin: string): void {
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
  return new TunesmithError('NAME_UNKNOWN', 'the plugin offers no method and no objective', {
    where: specifier,
    expected: 'an export made by defineMethod or defineObjective',
  });
}

/** Whether a value was made by `defineMethod` or `defineObjective`, or lists what was. */
function isOffer(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).some(isDefined);
  return isDefined(value);
}

/** Whether a value has a definition with a name and a config, as all that plugins offer has. */
export function isDefined(value: unknown): value is { readonly definition: object } {
  if (typeof value !== 'function' || !('definition' in value)) return false;
  const { definition } = value as { definition: unknown };
  return typeof definition === 'object' && definition !== null && 'name' in definition && 'config' in definition;
}
