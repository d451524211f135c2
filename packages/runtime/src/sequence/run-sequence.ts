import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Task } from '@tunesmith/core';
import type { Engine, OnPhase } from '../model/engine.js';
import type { LoadedRecipe } from '../recipe/load-recipe.js';
import { readRecipe } from '../recipe/read-recipe.js';
import { readMetrics } from '../run/metrics-file.js';
import { runPaths } from '../run/run-folder.js';
import { type RunResult, summarise } from '../train/run-result.js';
import { compareTasks, type SequenceComparison } from './compare-tasks.js';
import { type Forgetting, forgettingOf, type LossMatrix } from './forgetting.js';
import { generateRows } from './generated-rows.js';
import { measureLosses, readMatrix, writeMatrix } from './measure-losses.js';
import { measureTask, type TaskQuality } from './measure-task.js';
import { ownStarts } from './own-starts.js';
import { passGate } from './pass-gate.js';
import { readSequence, type Sequence, type SequenceTask } from './read-sequence.js';
import { isCompared, loadTask, startOf, taskKinds } from './task-kinds.js';
import { type TrainedTask, trainTask } from './train-task.js';

/** A task's run, with its own held-out loss before it and after. */
export interface SequenceRun extends Pick<RunResult, 'before' | 'after'> {
  readonly task: string;
  readonly run: string;
}

/** What a sequence of tasks came to. What is measured of forgetting is missing where tasks have objectives or models of their own. */
export interface SequenceResult extends Partial<Forgetting> {
  readonly output: string;
  readonly tasks: readonly string[];
  readonly runs: readonly SequenceRun[];
  /** Empty where tasks have objectives or models of their own: their losses are no measure of each other. NaN where a model has no head yet. */
  readonly losses: LossMatrix;
  /** What the tasks came to by quality and cost, where the sequence says how that is measured. */
  readonly comparison?: SequenceComparison;
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

/** What is known of a sequence while it runs. */
interface Progress {
  readonly sequence: Sequence;
  readonly output: string;
  readonly folders: readonly string[];
  readonly kinds: readonly Task[];
  /** The models that tasks begin with of their own, where layers are left out. */
  readonly starts: readonly (string | undefined)[];
  readonly trained: TrainedTask[];
  /** Seconds that writing each task's rows took. */
  readonly generateSeconds: number[];
  /** Null for a task that is not compared. */
  readonly measured: (TaskQuality | null)[];
}

/**
 * Learns tasks one after another, each in a run of its own that begins with what the one before left, or with a model of its own. What a
 * method leaves as an adapter is merged into the weights. A model that judges whole texts, as reward models do, is passed over by tasks that
 * are of another kind: they begin where it did. Of one model and one objective, the held-out loss on every task is measured before the first
 * and after each; and where the sequence says how, the quality and the cost of each task's model, which a task may be held to. A sequence
 * that was stopped goes on where it was: finished runs, generated rows and what is measured are not made again. Null where it was stopped.
 * @throws GATE_FAILED where a task falls short of what it is held to
 */
export async function runSequence(file: string, options: SequenceOptions): Promise<SequenceResult | null> {
  const source = await readRecipe(file);
  const sequence = readSequence(source, dirname(resolve(file)));
  const output = resolve(options.output ?? String(source.value.output ?? join('runs', 'sequence')));
  const matrix = join(output, 'matrix.json');
  const tasks = sequence.tasks.map(({ name }) => name);
  const folders = tasks.map((name, index) => join(output, `${index + 1}-${name}`));
  const kinds = await taskKinds(sequence, folders, options.roots);
  const starts = await ownStarts(sequence, folders, output, options);
  await mkdir(output, { recursive: true });
  const losses = sequence.hasMatrix ? await readMatrix(matrix) : [];
  const progress = { sequence, output, folders, kinds, starts, trained: [], generateSeconds: [], measured: [] };
  const measureRow = async (index: number, loaded: LoadedRecipe, path: string | undefined): Promise<void> => {
    if (!sequence.hasMatrix) return;
    if (losses.length <= index + 1) {
      const engine = options.engineOf(loaded);
      losses.push(await measureLosses(loaded, path, sequence.tasks, { engine, onPhase: options.onPhase }));
      await writeMatrix(matrix, losses);
    }
    options.onLosses?.(tasks[index] ?? null, losses[index + 1] as readonly number[]);
  };
  for (const index of tasks.keys()) {
    const loaded = await loadStart(progress, index, options);
    if (index === 0) await measureRow(-1, loaded, undefined);
    const trained = await learnTask(progress, index, loaded, options);
    if (trained === null) return null;
    await measureRow(index, loaded, trained.path);
  }
  const runs = tasks.map((task, index) => runOf(task, folders[index] as string));
  return {
    ...{ output, tasks, runs, losses },
    ...(sequence.hasMatrix && forgettingOf(losses)),
    ...(sequence.measure && { comparison: compareTasks(progress, sequence.measure) }),
  };
}

/** A task's recipe over what earlier tasks left. */
function loadStart(
  { sequence, folders, kinds, starts, trained }: Progress,
  index: number,
  { roots }: SequenceOptions,
): Promise<LoadedRecipe> {
  const { rewardModel, teacher } = sequence.tasks[index] as SequenceTask;
  const pathOf = (task: number | null | undefined): string | undefined => trained[task ?? -1]?.path;
  return loadTask(sequence, folders.slice(0, index + 1), roots, {
    ...{ rewardModel: pathOf(rewardModel), teacher: pathOf(teacher) },
    model: starts[index] ?? pathOf(startOf(sequence, kinds, index)),
  });
}

/** Writes a task's rows, trains it, measures it and holds it to its gate; null where training was stopped. */
async function learnTask(
  { sequence, output, folders, kinds, trained, generateSeconds, measured }: Progress,
  index: number,
  loaded: LoadedRecipe,
  { engineOf, roots, train, onPhase }: SequenceOptions,
): Promise<TrainedTask | null> {
  const task = sequence.tasks[index] as SequenceTask;
  const run = folders[index] as string;
  const engine = engineOf(loaded);
  const { generate, gate } = task;
  const rows =
    generate &&
    (await generateRows(run, generate, { by: trained[generate.by] as TrainedTask, engine, roots, onPhase }));
  generateSeconds.push(rows?.seconds ?? 0);
  const learnt = await trainTask(run, loaded, { engine, roots, train, onPhase });
  if (learnt === null) return null;
  trained.push(learnt);
  const { measure } = sequence;
  if (measure === null || !isCompared(sequence, kinds, index)) {
    measured.push(null);
    return learnt;
  }
  const kept = join(output, 'measures.json');
  const { objectives } = loaded;
  const quality = await measureTask(task.name, learnt, measure, { engine, objectives, kept, onPhase });
  measured.push(quality);
  const [than, other] = gate?.betterThan == null ? [] : [sequence.tasks[gate.betterThan], measured[gate.betterThan]];
  passGate(task, quality, {
    ...{ metric: measure.metric, run },
    other: than && other ? { name: than.name, quality: other.quality } : undefined,
  });
  return learnt;
}

function runOf(task: string, run: string): SequenceRun {
  const lines = readMetrics(runPaths(run).metrics);
  const best = lines.findLast((line) => line.type === 'evaluate' && line.best);
  const { before, after } = summarise(lines, best?.step ?? null);
  return { task, run, before, after };
}
