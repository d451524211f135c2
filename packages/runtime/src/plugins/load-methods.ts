import { didYouMean, type MethodFactory, TunesmithError } from '@tunesmith/core';
import { discoverPlugins, type Plugin } from './discover-plugins.js';
import {
  importPlugin,
  isDefined,
  loadExplicit,
  loadOffers,
  type MethodLookup,
  type OfferKind,
  pickOffer,
} from './load-offers.js';

const kind: OfferKind<MethodFactory> = {
  word: 'method',
  list: 'methods',
  names: ({ methods }) => methods,
  isFactory: (value): value is MethodFactory => isDefined(value) && !('rows' in value.definition),
};

/** The factories of the named methods, in order. @throws NAME_UNKNOWN, METHOD_CONFLICT, API_VERSION */
export function loadMethods(names: readonly string[], lookup: MethodLookup): Promise<MethodFactory[]> {
  return loadOffers(kind, names, lookup);
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
  const explicit = [...(await loadExplicit(kind, lookup)).values()];
  const installed = await discoverPlugins(lookup.roots);
  const offering = installed.filter(reads);
  const offered = await Promise.all(
    offering.map(async (plugin) => {
      const exports = await importPlugin(plugin.name, plugin.path);
      return plugin.methods.map((name) => pickOffer(kind, exports, name, plugin.name));
    }),
  );
  return { factories: [...explicit, ...offered.flat()], installed };
}
