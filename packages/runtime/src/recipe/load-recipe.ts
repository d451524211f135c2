import type { MethodFactory } from '@tunesmith/core';
import { loadMethods } from '../plugins/load-methods.js';
import { methodNames, type RecipeSource } from './read-recipe.js';
import { parseRecipe, type Recipe } from './recipe.js';

/** Imports the methods that a recipe names, and its plugins, and checks it against their schemas. */
export async function loadRecipe(
  source: RecipeSource,
  roots: readonly string[],
): Promise<{ recipe: Recipe; methods: readonly MethodFactory[] }> {
  const { plugins } = source.value;
  const named = Array.isArray(plugins) ? plugins.filter((plugin): plugin is string => typeof plugin === 'string') : [];
  const methods = await loadMethods(methodNames(source), { roots, plugins: named });
  return { recipe: parseRecipe(source, methods), methods };
}
