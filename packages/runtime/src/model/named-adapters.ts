import { openAdapter } from '@tunesmith/checkpoints';
import { importAdapter, type Method, TunesmithError } from '@tunesmith/core';
import type { Recipe } from '../recipe/recipe.js';
import { type AdapterDescription, describeAdapter, loadAdapter, methodOfAdapter } from './adapter-folder.js';
import type { Engine } from './engine.js';
import type { LoadedModel } from './load-model.js';

/** The adapters that a recipe names, frozen beside what it trains. */
export interface NamedAdapters {
  /** For `buildModel`. */
  readonly methods: Readonly<Record<string, readonly Method[]>>;
  /** Reads their values into a model that was built with them, and those that what is trained starts with. */
  load(loaded: LoadedModel, trained: readonly Method[]): Promise<void>;
}

/**
 * Describes the adapters of `model.adapters`.
 * @throws FILE_MISSING, NAME_UNKNOWN where no method of the recipe reads one, CAPABILITY_MISSING for whole models
 */
export async function namedAdapters(
  { model: { adapters = {}, start } }: Pick<Recipe, 'model'>,
  { methods: factories }: Pick<Engine, 'methods'>,
): Promise<NamedAdapters> {
  const described: Record<string, AdapterDescription> = {};
  const methods: Record<string, readonly [Method]> = {};
  for (const [name, folder] of Object.entries(adapters)) {
    const adapter = await describeAdapter(folder);
    described[name] = adapter;
    methods[name] = [methodOfAdapter(adapter, factories)];
  }
  return {
    methods,
    async load(loaded, trained) {
      const { model, parameters } = loaded;
      for (const [name, [method]] of Object.entries(methods)) {
        const { tensors, close } = await openAdapter((described[name] as AdapterDescription).path);
        try {
          await importAdapter(model, method, parameters, tensors);
        } finally {
          await close();
        }
      }
      if (start === undefined) return;
      const [method, ...others] = trained;
      const [from] = methods[start] ?? [];
      if (method === undefined || others.length > 0 || method.name !== from?.name) {
        throw new TunesmithError('CONFIG_INVALID', `what is trained cannot start as the adapter "${start}"`, {
          where: 'model.start',
          expected: `the method ${from?.name} alone`,
          got: trained.map(({ name }) => name).join(', '),
        });
      }
      await loadAdapter(loaded, method, (described[start] as AdapterDescription).path);
    },
  };
}
