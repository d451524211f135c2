import { readFile } from 'node:fs/promises';
import { dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { createJiti } from 'jiti';
import { parse } from 'yaml';

type JsonObject = Record<string, unknown>;

/** What a recipe says before anything of it is checked, and where it comes from. */
export interface RecipeSource {
  readonly value: Readonly<JsonObject>;
  /** The file, or what else to call it in errors. */
  readonly where: string;
}

/** Keys whose relative paths are relative to the recipe's folder. */
const pathKeys = [
  ['model', 'path'],
  ['model', 'adapters'],
  ['data', 'train'],
  ['data', 'validation'],
  ['objective', 'rewardModel'],
  ['objective', 'gateData'],
  ['data', 'earlier'],
  ['data', 'target'],
  // Of the objectives that learn from another model.
  ['objective', 'teacher'],
  ['previous'],
  ['output'],
] as const;

/**
 * Reads a recipe: YAML, JSON, or a TypeScript or JavaScript module whose default export it is. A module executes code.
 * @throws FILE_MISSING, FILE_INVALID
 */
export async function readRecipe(file: string): Promise<RecipeSource> {
  const path = resolve(file);
  const value = /^\.[cm]?[jt]s$/.test(extname(path))
    ? await importRecipe(path)
    : parseDocument(await readText(path), path);
  if (!isObject(value)) throw new TunesmithError('FILE_INVALID', 'the recipe is no object', { where: file });
  return { value: withAbsolutePaths(value, dirname(path)), where: file };
}

/** Lays flags and settings over a recipe, key by key; lists and scalars replace. Paths are relative to `folder`. */
export function overrideRecipe(source: RecipeSource, overrides: JsonObject, folder: string): RecipeSource {
  const over = withNamedObjective(withAbsolutePaths(overrides, folder));
  const value = merge(withNamedObjective(source.value), over) as JsonObject;
  // An objective, or a method, put in another's place leaves that one's options without a meaning.
  const [before, after] = [objectiveName(source), objectiveName({ value: over, where: source.where })];
  if (after !== undefined && after !== before) value.objective = over.objective;
  const named = methodNames({ value, where: source.where });
  for (const left of methodNames(source)) if (!named.includes(left)) delete value[left];
  // A model given by path replaces one given by name, and the other way round.
  const { path, name } = (overrides.model ?? {}) as JsonObject;
  if (isObject(value.model) && (path === undefined) !== (name === undefined)) {
    const { [path === undefined ? 'path' : 'name']: _, ...model } = value.model;
    value.model = model;
  }
  return { value, where: source.where };
}

/**
 * `path=value` settings as one object; values are YAML, so `lora.rank=16` is a number and `a=[x, y]` a list.
 * @throws CONFIG_INVALID naming the setting
 */
export function parseSettings(settings: readonly string[]): JsonObject {
  const result: JsonObject = {};
  for (const setting of settings) {
    const equals = setting.indexOf('=');
    const keys = setting.slice(0, equals).split('.');
    if (equals < 1 || keys.some((key) => key === '' || key === '__proto__')) {
      throw new TunesmithError('CONFIG_INVALID', 'a setting is written path=value', {
        where: `--set ${setting}`,
        expected: 'for instance --set trainer.learningRate=1e-4',
      });
    }
    let at = result;
    for (const key of keys.slice(0, -1)) {
      if (!isObject(at[key])) at[key] = {};
      at = at[key] as JsonObject;
    }
    at[keys.at(-1) as string] = parseDocument(setting.slice(equals + 1), `--set ${setting}`);
  }
  return result;
}

/** The methods that a recipe names, before anything else of it is checked; none where it names none. */
export function methodNames({ value }: RecipeSource): string[] {
  const { method } = value;
  return (Array.isArray(method) ? method : [method]).filter((name): name is string => typeof name === 'string');
}

/** The objective that a recipe names, before anything else of it is checked; undefined where it names none. */
export function objectiveName({ value: { objective } }: RecipeSource): string | undefined {
  const name = isObject(objective) ? objective.name : objective;
  return typeof name === 'string' ? name : undefined;
}

/** An objective that is written as its name alone, as the object that it stands for, so that settings can be laid over it. */
function withNamedObjective(value: Readonly<JsonObject>): JsonObject {
  return typeof value.objective === 'string' ? { ...value, objective: { name: value.objective } } : { ...value };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new TunesmithError('FILE_MISSING', 'the recipe cannot be read', { where: path, cause });
  }
}

function parseDocument(text: string, where: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new TunesmithError('FILE_INVALID', `not YAML: ${(cause as Error).message}`, { where, cause });
  }
}

async function importRecipe(path: string): Promise<unknown> {
  await readText(path);
  try {
    return await createJiti(import.meta.url, { moduleCache: false }).import(path, { default: true });
  } catch (cause) {
    throw new TunesmithError('FILE_INVALID', `the recipe fails when it runs: ${(cause as Error).message}`, {
      where: path,
      cause,
    });
  }
}

function withAbsolutePaths(value: JsonObject, folder: string): JsonObject {
  const absolute = (path: unknown): unknown => {
    if (Array.isArray(path)) return path.map(absolute);
    if (isObject(path)) return Object.fromEntries(Object.entries(path).map(([name, each]) => [name, absolute(each)]));
    return typeof path === 'string' && !isAbsolute(path) ? join(folder, path) : path;
  };
  const result: JsonObject = { ...value };
  for (const [first, second] of pathKeys) {
    const block = result[first];
    if (second === undefined) {
      if (block !== undefined) result[first] = absolute(block);
    } else if (isObject(block) && block[second] !== undefined) {
      result[first] = { ...block, [second]: absolute(block[second]) };
    }
  }
  if (Array.isArray(result.plugins)) {
    const local = (plugin: unknown) => typeof plugin === 'string' && /^\.{1,2}[\\/]/.test(plugin);
    result.plugins = result.plugins.map((plugin) => (local(plugin) ? absolute(plugin) : plugin));
  }
  return result;
}

function merge(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over === undefined ? base : over;
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries([...keys].map((key) => [key, merge(base[key], over[key])]));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
