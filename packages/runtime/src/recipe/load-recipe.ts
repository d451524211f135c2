import type { MethodFactory } from '@tunesmith/core';
import { type Objectives, ownObjectives } from '../objective/settings.js';
import { loadMethods } from '../plugins/load-methods.js';
import { loadObjectives } from '../plugins/load-objectives.js';
import type { MethodLookup } from '../plugins/load-offers.js';
import { methodNames, objectiveName, type RecipeSource } from './read-recipe.js';
import { parseRecipe, type Recipe } from './recipe.js';

/** A recipe, and what it names that plugins offer. */
export interface LoadedRecipe {
  readonly recipe: Recipe;
  readonly methods: readonly MethodFactory[];
  readonly objectives: Objectives;
}

/** Imports the methods and the objective that a recipe names, and its plugins, and checks it against their schemas. */
export async function loadRecipe(source: RecipeSource, roots: readonly string[]): Promise<LoadedRecipe> {
  const { plugins } = source.value;
  const named = Array.isArray(plugins) ? plugins.filter((plugin): plugin is string => typeof plugin === 'string') : [];
  const lookup = { roots, plugins: named };
  const methods = await loadMethods(methodNames(source), lookup);
  const objectives = await loadObjectiveOf(source, lookup);
  return { recipe: parseRecipe(source, methods, objectives), methods, objectives };
}

/** The objective that a recipe or a setting names, where a plugin offers it; nothing for the runtime's own. */
export async function loadObjectiveOf(source: RecipeSource, lookup: MethodLookup): Promise<Objectives> {
  const name = objectiveName(source);
  const isOwn = name === undefined || ownObjectives.some((own) => own === name);
  return isOwn ? [] : loadObjectives([name], lookup);
}
