import { TunesmithError } from '@tunesmith/core';
import { type HubSettings, loadRecipe, type Recipe } from '@tunesmith/runtime';
import { hashFiles, hashJson } from '../identity/hash-files.js';
import { type Cell, cellName, cellsOf, cellsOfShard, type Shard } from '../suite/cells.js';
import { learningRatesOf } from '../suite/learning-rates.js';
import type { Suite } from '../suite/suite-schema.js';
import { trialRecipe } from '../suite/trial-recipe.js';
import { resolveTasks, type SuiteTask } from '../task/resolve-tasks.js';
import type { PreparedTask, TaskDefinition } from '../task/task.js';
import type { TrialIdentity, TrialKind, TrialRequest } from '../trial/trial-request.js';
import { resultVersion } from '../trial/trial-result.js';
import { codeOf } from './code-of.js';

export interface SuitePlanOptions {
  readonly suite: Suite;
  /** Tasks that the suite may name. */
  readonly tasks: readonly TaskDefinition[];
  /** The module that a trial's process runs. */
  readonly entry: string;
  /** Folders that plugins are resolved from. */
  readonly roots: readonly string[];
  readonly cacheFolder: string;
  /** Where data sets of the Hub are downloaded from; folders alone without it. */
  readonly hub?: HubSettings;
  readonly shard?: Shard;
  /** Only what tells whether the tasks count: the methods of `controls`, a seed each. */
  readonly controlsOnly?: boolean;
}

/** A cell with everything that its trials have in common. */
export interface PlannedCell {
  readonly cell: Cell;
  readonly task: PreparedTask;
  /** Whether the task's labels are shuffled, so that nobody asks how long it took. */
  readonly isControl: boolean;
  readonly learningRates: readonly number[];
  request(settings: TrialSettings): TrialRequest;
}

interface TrialSettings {
  readonly kind: TrialKind;
  readonly seed: number;
  readonly learningRate: number;
  readonly alone: boolean;
}

/** Steps of a trial that is only timed: the first compile, the others count. */
const timedSteps = 40;

/**
 * Prepares a suite: its tasks' files, the recipe of every cell, and the hashes of what results depend on.
 * @throws CONFIG_INVALID for a recipe that is wrong, before anything runs
 */
export async function planSuite(options: SuitePlanOptions): Promise<PlannedCell[]> {
  const { suite, shard, controlsOnly = false, cacheFolder, hub } = options;
  const tasks = await resolveTasks(suite, options.tasks, { cacheFolder, ...(hub && { hub }) });
  const all = cellsOf(
    suite,
    tasks.map(({ task: { name }, methods }) => ({ name, methods: controlsOnly ? suite.controls : methods })),
  );
  const hashes = createHashes(options);
  const planned: PlannedCell[] = [];
  for (const cell of shard === undefined ? all : cellsOfShard(all, shard)) {
    const found = tasks.find(({ task: { name } }) => name === cell.task) as SuiteTask;
    planned.push(await planCell(cell, found, options, hashes));
  }
  return planned;
}

interface Hashes {
  of(path: string): Promise<string>;
  ofCode(recipe: Recipe): Promise<string>;
}

/** Each file or folder is read once, and the code once for all cells with the same methods and objective. */
function createHashes({ entry, roots }: SuitePlanOptions): Hashes {
  const known = new Map<string, Promise<string>>();
  const once = (name: string, hash: () => Promise<string>): Promise<string> => {
    const found = known.get(name) ?? hash();
    known.set(name, found);
    return found;
  };
  return {
    of: (path) => once(path, () => hashFiles(path)),
    ofCode(recipe) {
      const { methods, objective, plugins } = recipe;
      const name = JSON.stringify([methods.map((method) => method.name), objective.name, plugins]);
      return once(name, () => codeOf(entry, recipe, { roots, plugins }));
    },
  };
}

async function planCell(
  cell: Cell,
  { task, isControl }: SuiteTask,
  { suite, roots }: SuitePlanOptions,
  hashes: Hashes,
): Promise<PlannedCell> {
  const source = trialRecipe(suite, cell, task, { seed: suite.tuning.seed });
  const { recipe, methods } = await loadRecipe(source, roots);
  const { ownText } = suite.models[cell.model] as Suite['models'][string];
  const data = [task.train, task.validation, task.test, ...(ownText === undefined ? [] : [ownText])];
  const identity: TrialIdentity = {
    code: await hashes.ofCode(recipe),
    data: hashJson([task.metric, ...(await Promise.all(data.map(hashes.of)))]),
    model: await modelHash(recipe, cell, hashes),
  };
  const ownDefault = Math.min(...methods.map(({ definition }) => definition.defaults?.learningRate ?? Infinity));
  const { threads = null, timeoutSeconds } = suite.budgets[cell.budget] as Suite['budgets'][string];
  const shared = { suite: suite.name, cell, task, ownText: ownText ?? null, threads, timeoutSeconds, identity };
  return {
    cell,
    task,
    isControl,
    learningRates: learningRatesOf(suite, cell.method, recipe.trainer.learningRate ?? ownDefault),
    request({ kind, seed, learningRate, alone }) {
      const steps = recipe.trainer.steps as number;
      const timed = { steps: Math.min(steps, timedSteps), evaluateEvery: steps };
      const trainer = { ...recipe.trainer, seed, learningRate, ...(kind === 'timing' && timed) };
      const own: Recipe = { ...recipe, trainer };
      // Where files lie is nothing to a result; what is in them is.
      const { model: _, data: __, output: ___, ...rest } = own;
      const { train: ____, validation: _____, ...reading } = own.data;
      const { path: ______, ...held } = own.model;
      const key = hashJson({ resultVersion, cell, kind, identity, threads, recipe: { ...rest, reading, held } });
      return { ...shared, kind, seed, learningRate, alone, recipe: own, key: key.slice(0, 32) };
    },
  };
}

async function modelHash({ model }: Recipe, cell: Cell, hashes: Hashes): Promise<string> {
  const { path, name, revision = 'main' } = model;
  if (path !== undefined) return hashes.of(path);
  if (/^[0-9a-f]{40}$/.test(revision)) return `${name}@${revision}`;
  throw new TunesmithError('CONFIG_INVALID', 'a result has to say which weights it is of', {
    where: `models.${cell.model}.revision, for ${cellName(cell)}`,
    expected: 'the commit of the model on the Hub, 40 hexadecimal digits',
    got: revision,
  });
}
