import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import type { Engine, OnPhase } from '../model/engine.js';
import { evaluateFiles } from '../model/evaluate-files.js';
import { loadModel } from '../model/load-model.js';
import { locateModel } from '../model/locate-model.js';
import { openModel } from '../model/open-model.js';
import { saveModel } from '../model/save-model.js';
import { defaultObjective, type ObjectiveSettings, ownObjectives } from '../objective/settings.js';
import { type LoadedRecipe, loadRecipe } from '../recipe/load-recipe.js';
import { readRecipe } from '../recipe/read-recipe.js';
import { createRun, readRunRecipe, runPaths } from '../run/run-folder.js';
import { resolveRecipe } from '../train/resolve-recipe.js';
import { type Forgetting, forgettingOf, type LossMatrix } from './forgetting.js';
import { readSequence, type SequenceTask } from './read-sequence.js';

/** What a sequence of tasks came to. */
export interface SequenceResult extends Forgetting {
  readonly output: string;
  readonly tasks: readonly string[];
  readonly losses: LossMatrix;
}

export interface SequenceOptions {
  /** Makes an engine for what a task's recipe names. */
  readonly engineOf: (loaded: Pick<LoadedRecipe, 'methods' | 'objectives'>) => Engine;
  /** The folder of the runs, if not the file's own. */
  readonly output?: string;
  /** Where methods and objectives are looked for. */
  readonly roots: readonly string[];
  /** Trains a run's folder, from its newest checkpoint if it has one; false where it was stopped before the end. */
  readonly train: (folder: string, loaded: LoadedRecipe) => Promise<boolean>;
  readonly onPhase?: OnPhase;
  /** Told of each row of the matrix as soon as it is known. */
  readonly onLosses?: (after: string | null, losses: readonly number[]) => void;
}

const matrixSchema = z.object({ version: z.literal(1), losses: z.array(z.array(z.number())) });

/**
 * Learns tasks one after another, each in a run of its own that begins with what the one before left, and measures the held-out loss on
 * every task before the first and after each. What a method leaves as an adapter is merged into the weights. A sequence that was stopped
 * goes on where it was: finished runs and measured losses are not made again. Null where it was stopped.
 */
export async function runSequence(file: string, options: SequenceOptions): Promise<SequenceResult | null> {
  const source = await readRecipe(file);
  const folder = dirname(resolve(file));
  const sequence = readSequence(source, folder);
  const output = resolve(options.output ?? String(source.value.output ?? join('runs', 'sequence')));
  const matrix = join(output, 'matrix.json');
  await mkdir(output, { recursive: true });
  const losses = await readMatrix(matrix);
  const tasks = sequence.tasks.map(({ name }) => name);
  let model: string | undefined;
  for (const index of [-1, ...tasks.keys()]) {
    const run = join(output, `${Math.max(0, index) + 1}-${tasks[Math.max(0, index)]}`);
    const loaded = await loadRecipe(sequence.recipeOf(Math.max(0, index), run, model), options.roots);
    if (index >= 0) {
      const trained = await trainTask(run, loaded, options);
      if (trained === null) return null;
      model = trained;
    }
    if (losses.length <= index + 1) {
      losses.push(await measure(loaded, model, sequence.tasks, options));
      await writeMatrix(matrix, losses);
    }
    options.onLosses?.(tasks[index] ?? null, losses[index + 1] as readonly number[]);
  }
  return { output, tasks, losses, ...forgettingOf(losses) };
}

/** The folder of a model that has learnt a task; null where training was stopped. */
async function trainTask(run: string, loaded: LoadedRecipe, options: SequenceOptions): Promise<string | null> {
  const { engineOf, roots, onPhase } = options;
  const paths = runPaths(run);
  const merged = join(run, 'merged');
  const engine = engineOf(loaded);
  if (!isSaved()) {
    const begun = existsSync(paths.recipe);
    const recipe = begun
      ? (await loadRecipe(await readRunRecipe(run), roots)).recipe
      : await resolveRecipe(loaded.recipe, engine, onPhase);
    if (!begun) await createRun(recipe);
    if (!(await options.train(run, { ...loaded, recipe })) || !isSaved()) return null;
  }
  if (existsSync(paths.model)) return paths.model;
  if (existsSync(merged)) return merged;
  onPhase?.('merging');
  const { recipe } = loaded;
  const adapted = await openModel({
    model: { ...recipe.model, dtype: 'float32', quantization: 'none' },
    adapters: [paths.adapter],
    ...{ device: recipe.device, engine, lookup: { roots } },
  });
  try {
    await saveModel(adapted, `${merged}.tmp`, adapted.objective);
  } finally {
    adapted.dispose();
  }
  await rename(`${merged}.tmp`, merged);
  return merged;

  function isSaved(): boolean {
    return existsSync(paths.adapter) || existsSync(paths.model);
  }
}

/** The held-out loss of every task by a model; by the recipe's own where no folder is given. */
async function measure(
  { recipe, methods, objectives }: LoadedRecipe,
  path: string | undefined,
  tasks: readonly SequenceTask[],
  { engineOf, onPhase }: SequenceOptions,
): Promise<number[]> {
  const engine = engineOf({ methods, objectives });
  const located = path ?? (await locateModel(recipe.model, engine.hub, onPhase)).path;
  const objective = measuredBy(recipe.objective);
  const backend = await engine.createBackend(recipe.device);
  const loaded = await loadModel({ path: located, families: engine.families, backend, objective });
  try {
    const losses: number[] = [];
    for (const { name, validation } of tasks) {
      onPhase?.(`measuring ${name}`);
      const { earlier: _, validation: __, target: ___, ...data } = recipe.data;
      const { loss } = await evaluateFiles(loaded, {
        data: { ...data, train: [...validation] },
        ...{ batchSize: recipe.trainer.batchSize, objective, cacheFolder: engine.cacheFolder },
      });
      losses.push(loss);
    }
    return losses;
  } finally {
    loaded.dispose();
  }
}

/** Tasks are compared by how well they are done, not by what a plugin's objective adds to that. */
function measuredBy(objective: ObjectiveSettings): ObjectiveSettings {
  return ownObjectives.some((name) => name === objective.name) ? objective : defaultObjective;
}

async function readMatrix(path: string): Promise<number[][]> {
  if (!existsSync(path)) return [];
  return matrixSchema.parse(JSON.parse(await readFile(path, 'utf8'))).losses;
}

async function writeMatrix(path: string, losses: readonly (readonly number[])[]): Promise<void> {
  await writeFile(`${path}.tmp`, JSON.stringify({ version: 1, losses }), { flush: true });
  await rename(`${path}.tmp`, path);
}
