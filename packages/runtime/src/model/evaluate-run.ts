import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Evaluation, TunesmithError } from '@tunesmith/core';
import { type LoadedRecipe, loadRecipe } from '../recipe/load-recipe.js';
import { overrideRecipe } from '../recipe/read-recipe.js';
import { readRunRecipe, runPaths } from '../run/run-folder.js';
import type { Engine, OnPhase, OnWarning } from './engine.js';
import { evaluateFiles } from './evaluate-files.js';
import { openModel } from './open-model.js';

export interface EvaluateRunOptions {
  /** Makes an engine for what the run's recipe names. */
  readonly engineOf: (loaded: Pick<LoadedRecipe, 'methods' | 'objectives'>) => Engine;
  /** Where methods and objectives are looked for. */
  readonly roots: readonly string[];
  /** Files to measure over; the run's held-out rows if not said. */
  readonly data?: readonly string[];
  /** Laid over the run's recipe; relative paths are the working folder's. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly batchSize?: number;
  readonly onPhase?: OnPhase;
  readonly onWarning?: OnWarning;
}

/**
 * What a finished run left, measured as the run measured itself: by its objective, with its seed, over its held-out rows or others.
 * @throws FILE_MISSING for a run that has saved nothing, CONFIG_INVALID where there is nothing to measure over
 */
export async function evaluateRun(run: string, options: EvaluateRunOptions): Promise<Evaluation> {
  const { engineOf, roots, data: files, settings = {}, onPhase, onWarning } = options;
  const folder = resolve(run);
  const loaded = await loadRecipe(overrideRecipe(await readRunRecipe(folder), settings, process.cwd()), roots);
  const { recipe, objectives } = loaded;
  const { validation, earlier: _, target: __, ...data } = recipe.data;
  if (files === undefined && validation === undefined) {
    throw new TunesmithError('CONFIG_INVALID', 'the run held nothing out', {
      ...{ where: folder, expected: 'data to measure over', hint: 'Name a file: --data heldout.jsonl' },
    });
  }
  const engine = engineOf(loaded);
  const { model, adapters } = savedBy(folder, recipe.methods);
  const { name: _name, revision: _revision, ...base } = recipe.model;
  const { objective, device, trainer } = recipe;
  const opened = await openModel({
    ...{ model: model === null ? recipe.model : { ...base, path: model }, adapters, device, objective, engine },
    lookup: { roots },
    ...(onPhase && { onPhase }),
  });
  try {
    return await evaluateFiles(opened, {
      data: files === undefined ? { ...data, validation } : { ...data, train: [...files] },
      ...{ heldOut: files === undefined, objective, objectives, seed: trainer.seed },
      batchSize: options.batchSize ?? trainer.batchSize,
      judge: { engine, device, lookup: { roots } },
      cacheFolder: engine.cacheFolder,
      ...(onPhase && { onPhase }),
      ...(onWarning && { onWarning }),
    });
  } finally {
    opened.dispose();
  }
}

/** The model's folder, or those of the adapters, in the methods' order. */
function savedBy(
  folder: string,
  methods: LoadedRecipe['recipe']['methods'],
): { model: string | null; adapters: readonly string[] } {
  const paths = runPaths(folder);
  if (existsSync(paths.model)) return { model: paths.model, adapters: [] };
  const each = methods.map(({ name }) => join(paths.adapter, name)).filter((path) => existsSync(path));
  if (each.length > 0) return { model: null, adapters: each };
  if (existsSync(paths.adapter)) return { model: null, adapters: [paths.adapter] };
  throw new TunesmithError('FILE_MISSING', 'the run has saved nothing yet', {
    ...{ where: folder, expected: 'an adapter or a model', hint: `Let it end: tunesmith resume ${folder}` },
  });
}
