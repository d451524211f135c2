import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { stringify } from 'yaml';
import { type RecipeSource, readRecipe } from '../recipe/read-recipe.js';
import { type Recipe, recipeDocument } from '../recipe/recipe.js';
import { type MetricsLine, readMetrics } from './metrics-file.js';

/** What lies where in a run's folder. */
export function runPaths(folder: string) {
  return {
    recipe: join(folder, 'recipe.yaml'),
    metrics: join(folder, 'metrics.jsonl'),
    tensorboard: join(folder, 'tensorboard'),
    checkpoints: join(folder, 'checkpoints'),
    adapter: join(folder, 'adapter'),
    model: join(folder, 'model'),
  } as const;
}

/**
 * Makes the folder of a new run and writes its recipe there, everything resolved; returns the folder.
 * @throws FILE_INVALID for a folder that holds something already
 */
export async function createRun(recipe: Recipe): Promise<string> {
  const folder = resolve(recipe.output ?? (await freeFolder(recipe)));
  const present = await namesIn(folder);
  if (present.length > 0) {
    const isRun = present.includes('recipe.yaml');
    throw new TunesmithError('FILE_INVALID', isRun ? 'the folder holds a run already' : 'the folder is not empty', {
      where: folder,
      hint: isRun
        ? `Go on with it by \`tunesmith resume ${folder}\`, or choose another output.`
        : 'Choose another output.',
    });
  }
  await mkdir(folder, { recursive: true });
  const { recipe: path } = runPaths(folder);
  await writeFile(`${path}.tmp`, stringify(recipeDocument({ ...recipe, output: folder })));
  await rename(`${path}.tmp`, path);
  return folder;
}

/** The recipe of a run's folder. @throws FILE_MISSING for a folder that holds no run */
export async function readRunRecipe(folder: string): Promise<RecipeSource> {
  const { recipe } = runPaths(folder);
  if ((await namesIn(folder)).includes('recipe.yaml')) return readRecipe(recipe);
  throw new TunesmithError('FILE_MISSING', 'this is no folder of a run', {
    where: folder,
    expected: 'a folder that `tunesmith train` made, with a recipe.yaml',
  });
}

/** What a run has recorded: its recipe, and its events up to now. @throws FILE_MISSING for a folder that holds no run */
export async function readRun(folder: string): Promise<{ recipe: RecipeSource; metrics: MetricsLine[] }> {
  const path = resolve(folder);
  return { recipe: await readRunRecipe(path), metrics: readMetrics(runPaths(path).metrics) };
}

/** What must not change between a checkpoint and its resumption: all of the recipe but where it is and what it records. */
export function recipeHash(recipe: Recipe): string {
  const { output: _, metrics: __, ...rest } = recipeDocument(recipe);
  return createHash('sha256').update(JSON.stringify(rest, sortKeys)).digest('hex');
}

/** Makes JSON independent of the order in which keys were set: a recipe read from its file has the schema's. */
function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `runs/<model>-<method>`, with the first number that makes it new. */
async function freeFolder({ model, methods }: Recipe): Promise<string> {
  const name = `${basename(model.path ?? model.name ?? 'model')}-${methods.map((method) => method.name).join('-')}`;
  const taken = new Set(await namesIn('runs'));
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!taken.has(candidate)) return join('runs', candidate);
  }
}

/** Nothing for a folder that is not there. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
