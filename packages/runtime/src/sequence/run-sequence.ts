import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Task, TunesmithError } from '@tunesmith/core';
import { z } from 'zod';
import type { Engine, OnPhase } from '../model/engine.js';
import { evaluateFiles } from '../model/evaluate-files.js';
import { loadModel } from '../model/load-model.js';
import { locateModel } from '../model/locate-model.js';
import { openModel } from '../model/open-model.js';
import { saveModel } from '../model/save-model.js';
import { defaultObjective, headOf, isOwnObjective, type ObjectiveSettings } from '../objective/settings.js';
import { type LoadedRecipe, loadRecipe } from '../recipe/load-recipe.js';
import { readRecipe } from '../recipe/read-recipe.js';
import { readMetrics } from '../run/metrics-file.js';
import { createRun, readRunRecipe, runPaths } from '../run/run-folder.js';
import { resolveRecipe } from '../train/resolve-recipe.js';
import { type RunResult, summarise } from '../train/run-result.js';
import { type Forgetting, forgettingOf, type LossMatrix } from './forgetting.js';
import { readSequence, type Sequence, type SequenceTask } from './read-sequence.js';

/** A task's run, with its own held-out loss before it and after. */
export interface SequenceRun extends Pick<RunResult, 'before' | 'after'> {
  readonly task: string;
  readonly run: string;
}

/** What a sequence of tasks came to. What is measured of forgetting is missing where tasks have objectives of their own. */
export interface SequenceResult extends Partial<Forgetting> {
  readonly output: string;
  readonly tasks: readonly string[];
  readonly runs: readonly SequenceRun[];
  /** Empty where tasks have objectives of their own: their losses are no measure of each other. */
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
 * every task before the first and after each. What a method leaves as an adapter is merged into the weights. A model that judges whole
 * texts, as reward models do, is passed over by tasks that are of another kind: they begin where it did. A sequence that was stopped goes
 * on where it was: finished runs and measured losses are not made again. Null where it was stopped.
 */
export async function runSequence(file: string, options: SequenceOptions): Promise<SequenceResult | null> {
  const source = await readRecipe(file);
  const sequence = readSequence(source, dirname(resolve(file)));
  const output = resolve(options.output ?? String(source.value.output ?? join('runs', 'sequence')));
  const matrix = join(output, 'matrix.json');
  const tasks = sequence.tasks.map(({ name }) => name);
  const measures = !sequence.tasks.some(({ hasObjective }) => hasObjective);
  const folders = tasks.map((name, index) => join(output, `${index + 1}-${name}`));
  const kinds = await checkTasks(sequence, folders, options.roots);
  await mkdir(output, { recursive: true });
  const losses = await readMatrix(matrix);
  const models: string[] = [];
  const load = (index: number): Promise<LoadedRecipe> => {
    const start = startOf(kinds, index);
    const judge = sequence.tasks[index]?.rewardModel ?? null;
    const from = {
      model: start === undefined ? undefined : models[start],
      rewardModel: judge === null ? undefined : models[judge],
    };
    return loadRecipe(sequence.recipeOf(folders.slice(0, index + 1), from), options.roots);
  };
  for (const index of [-1, ...tasks.keys()]) {
    const loaded = await load(Math.max(0, index));
    if (index >= 0) {
      const trained = await trainTask(folders[index] as string, loaded, options);
      if (trained === null) return null;
      models.push(trained);
    }
    if (!measures) continue;
    if (losses.length <= index + 1) {
      losses.push(await measure(loaded, models[index], sequence.tasks, options));
      await writeMatrix(matrix, losses);
    }
    options.onLosses?.(tasks[index] ?? null, losses[index + 1] as readonly number[]);
  }
  const runs = tasks.map((task, index) => runOf(task, folders[index] as string));
  return { output, tasks, runs, losses, ...(measures && forgettingOf(losses)) };
}

/** What kind of model each task trains. Reads every recipe, so that what is wrong with the last is said before the first is trained. */
async function checkTasks(sequence: Sequence, folders: readonly string[], roots: readonly string[]): Promise<Task[]> {
  const kinds: Task[] = [];
  for (const [index, { name, rewardModel: judge }] of sequence.tasks.entries()) {
    const rewardModel = judge === null ? undefined : folders[judge];
    const { recipe, objectives } = await loadRecipe(
      sequence.recipeOf(folders.slice(0, index + 1), { rewardModel }),
      roots,
    );
    kinds.push(headOf(recipe.objective, objectives).task);
    if (judge === null || kinds[judge] === 'sequence-classification') continue;
    throw new TunesmithError('CONFIG_INVALID', `"${sequence.tasks[judge]?.name}" leaves no reward model`, {
      ...{ where: `task ${name}, rewardModel`, expected: 'a task whose objective is reward' },
    });
  }
  return kinds;
}

/** The task whose model a task begins with: the last before it, but for those that judge whole texts where it does not. */
function startOf(kinds: readonly Task[], index: number): number | undefined {
  const isStart = (kind: Task): boolean => kind === kinds[index] || !wholeTexts.includes(kind);
  const found = kinds.slice(0, index).findLastIndex(isStart);
  return found === -1 ? undefined : found;
}

const wholeTexts: readonly Task[] = ['sequence-classification', 'embedding'];

function runOf(task: string, run: string): SequenceRun {
  const lines = readMetrics(runPaths(run).metrics);
  const best = lines.findLast((line) => line.type === 'evaluate' && line.best);
  const { before, after } = summarise(lines, best?.step ?? null);
  return { task, run, before, after };
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
  return isOwnObjective(objective.name) ? objective : defaultObjective;
}

async function readMatrix(path: string): Promise<number[][]> {
  if (!existsSync(path)) return [];
  return matrixSchema.parse(JSON.parse(await readFile(path, 'utf8'))).losses;
}

async function writeMatrix(path: string, losses: readonly (readonly number[])[]): Promise<void> {
  await writeFile(`${path}.tmp`, JSON.stringify({ version: 1, losses }), { flush: true });
  await rename(`${path}.tmp`, path);
}
