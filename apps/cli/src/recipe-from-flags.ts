import { existsSync } from 'node:fs';
import { overrideRecipe, parseSettings, type RecipeSource, readRecipe } from '@tunesmith/runtime';
import type { RecipeFlags } from './flags.js';

/** The recipe file, if there is one, under the flags. */
export async function recipeFrom(file: string | undefined, flags: RecipeFlags): Promise<RecipeSource> {
  const base: RecipeSource = file === undefined ? { value: {}, where: 'the command line' } : await readRecipe(file);
  const { model, quantization, data, validation, method, steps, epochs, seed, device, output } = flags;
  const trainer = given({ steps, epochs, seed });
  const overrides = {
    ...group('model', { ...(model && modelOf(model)), quantization: quantization && quantizationOf(quantization) }),
    ...group('data', { train: data && oneOrList(data), validation: validation && shareOrFiles(validation) }),
    ...given({ method: method && oneOrList(method), device, output }),
    ...group('trainer', trainer),
    ...pluginsOf(base, flags.plugin),
  };
  const flagged = overrideRecipe(base, overrides, process.cwd());
  return overrideRecipe(flagged, parseSettings(flags.set ?? []), process.cwd());
}

/** `--quantization` as a recipe says it. */
function quantizationOf(text: string): unknown {
  const value = quantizationValue(text);
  return typeof value === 'string' && value !== 'none' ? { type: value } : value;
}

/** What `--quantization` says: settings, their type alone, or `none`. */
export function quantizationValue(text: string): unknown {
  return parseSettings([`value=${text}`]).value;
}

/** A folder where there is one, or where it can be nothing else; else a name on the Hub. */
export function modelOf(text: string): { path: string } | { name: string } {
  return existsSync(text) || !/^[\w.-]+\/[\w.-]+$/.test(text) || text.startsWith('.') ? { path: text } : { name: text };
}

function oneOrList(values: readonly string[]): string | readonly string[] {
  return values.length === 1 ? (values[0] as string) : values;
}

function shareOrFiles(values: readonly string[]): number | string | readonly string[] {
  const share = values.length === 1 ? Number(values[0]) : Number.NaN;
  return share > 0 && share < 1 ? share : oneOrList(values);
}

function pluginsOf({ value }: RecipeSource, added: readonly string[] = []): { plugins?: unknown[] } {
  if (added.length === 0) return {};
  return { plugins: [...(Array.isArray(value.plugins) ? value.plugins : []), ...added] };
}

function given(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function group(name: string, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const present = given(values);
  return Object.keys(present).length === 0 ? {} : { [name]: present };
}
