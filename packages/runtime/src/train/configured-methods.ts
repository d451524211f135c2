import { type Method, type MethodFactory, TunesmithError } from '@tunesmith/core';
import type { Recipe } from '../recipe/recipe.js';

/** A recipe's methods, configured, in its order. */
export function configuredMethods({ methods }: Recipe, factories: readonly MethodFactory[]): Method[] {
  return methods.map(({ name, config }) => {
    const factory = factories.find(({ definition }) => definition.name === name);
    if (factory !== undefined) return factory(config);
    throw new TunesmithError('NAME_UNKNOWN', `the recipe's method "${name}" was not given`, {
      got: factories.map(({ definition }) => definition.name).join(', ') || 'none',
    });
  });
}
