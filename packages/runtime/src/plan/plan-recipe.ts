import {
  bucketLength,
  elementCount,
  type Handle,
  type Model,
  matmulRate,
  type TrainingEstimate,
} from '@tunesmith/core';
import type { Engine, OnPhase } from '../model/engine.js';
import { locateModel } from '../model/locate-model.js';
import { openBase } from '../model/open-base.js';
import { createObjective } from '../objective/settings.js';
import type { Recipe } from '../recipe/recipe.js';
import { describeRun } from '../train/describe-run.js';
import { openData } from '../train/open-data.js';
import { stepsOf } from '../train/optimization.js';
import { maxLengthOf } from '../train/resolve-recipe.js';
import { rowsEachOf } from '../train/rollout-data.js';
import { machineMemory, type PlannedBase, type PlannedSaving, planBases, savingOf } from './plan-bases.js';
import { type Rehearsal, rehearseRun } from './rehearse-run.js';

/** A place in the model that a method changes or trains. */
export interface PlannedSite {
  readonly path: string;
  readonly kind: string;
  readonly role: string;
  /** Methods that wrap it, innermost first; none where only its own weights train. */
  readonly methods: readonly string[];
  /** Shapes of what is trained here, by path. */
  readonly trained: Readonly<Record<string, readonly number[]>>;
  readonly trainedParameters: number;
}

/** How long the steps take, from the speed of this machine now. */
export interface PlannedTime {
  readonly steps: number;
  /** Floating-point operations a second of a plain matrix product here. */
  readonly matmulRate: number;
  /** A step, on average over the run's own batches. */
  readonly secondsPerStep: number;
  /** All steps and evaluations; a run that stops early takes less. */
  readonly seconds: number;
}

/** What a recipe would train and take. */
export interface RunPlan {
  readonly family: string;
  readonly sites: readonly PlannedSite[];
  /** Trained parameters that belong to no site. */
  readonly elsewhere: number;
  readonly trainedParameters: number;
  readonly totalParameters: number;
  /** Rows of the training data, and the greatest length that a batch of them is padded to. */
  readonly rows: number;
  readonly length: number;
  /** Memory and work of the run; null for a device that cannot tell. */
  readonly estimate: TrainingEstimate | null;
  readonly time: PlannedTime | null;
  /** What the quantised matrices of the base save; null where none are. */
  readonly saving: PlannedSaving | null;
  /** Memory that this machine has for it. */
  readonly memoryBytes: number;
  /** What the run would take over the base in each form that its methods train over, the largest first; none if not asked. */
  readonly bases: readonly PlannedBase[];
}

/** Share of a plain matrix product's speed that a whole step reaches, from below (`npm run bench:step`). */
const stepEfficiency = 0.7;

export interface PlanOptions {
  /** Whether to rehearse the run over the base in its other forms too, each as long as the run itself; true if not said. */
  readonly bases?: boolean;
}

/** Patches a recipe's model without its weights, tokenises its data, and rehearses the run over shapes alone. */
export async function planRecipe(
  recipe: Recipe,
  engine: Engine,
  onPhase: OnPhase = () => {},
  { bases = true }: PlanOptions = {},
): Promise<RunPlan> {
  const { path } = await locateModel(recipe.model, engine.hub, onPhase);
  const folder = await openBase(path, engine.families);
  await folder.close();
  const { model, tokenizer } = await describeRun(recipe, folder, engine);
  const maxLength = maxLengthOf(recipe.data, model.shape);
  const { cacheFolder } = engine;
  const { trainer } = recipe;
  const { objectives } = engine;
  const shared = { objective: recipe.objective, objectives };
  const options = { tokenizer, maxLength, seed: trainer.seed, ...shared, cacheFolder, onPhase };
  const data = await openData(recipe.data, options);
  const objective = createObjective(recipe.objective, tokenizer, objectives);
  const steps = stepsOf(recipe.trainer, data.train.length * rowsEachOf(objective));
  const sites = plannedSites(model, new Set(model.trained.map(({ key }) => key)));
  const trainedParameters = countOf(model.trained);
  const longest = recipe.data.packing ? maxLength : Math.min(data.report.longest, maxLength);
  const plan = {
    family: model.family.name,
    sites,
    elsewhere: trainedParameters - sites.reduce((sum, site) => sum + site.trainedParameters, 0),
    trainedParameters,
    totalParameters: countOf(model.handles),
    rows: data.train.length,
    length: bucketLength(longest, maxLength),
    saving: savingOf(model, folder),
    memoryBytes: machineMemory(),
  };
  // A run's stages patch the model anew, so that it is rehearsed last.
  return {
    ...plan,
    ...(await measureRun(
      { recipe, model, objective, folder, tokenizer, data, maxLength, steps },
      engine,
      onPhase,
      bases,
    )),
  };
}

async function measureRun(
  parts: Omit<Rehearsal, 'backend'>,
  engine: Engine,
  onPhase: OnPhase,
  alsoOthers: boolean,
): Promise<Pick<RunPlan, 'estimate' | 'time' | 'bases'>> {
  const { recipe, data, steps } = parts;
  const backend = await engine.createBackend(recipe.device);
  if (backend.estimate === undefined) return { estimate: null, time: null, bases: [] };
  onPhase('rehearsing the run');
  const { estimate, flopsPerEvaluation } = await rehearseRun({ ...parts, backend });
  const bases = alsoOthers ? await planBases({ ...parts, backend }, estimate, engine) : [];
  onPhase('measuring this machine');
  const rate = await matmulRate(backend);
  const evaluations = data.validation === null ? 0 : 1 + Math.ceil(steps / recipe.trainer.evaluateEvery);
  const secondsOf = (flops: number): number => flops / (rate * stepEfficiency);
  const secondsPerStep = secondsOf(estimate.flopsPerStep);
  const seconds = steps * secondsPerStep + evaluations * secondsOf(flopsPerEvaluation);
  return { estimate, bases, time: { steps, matmulRate: rate, secondsPerStep, seconds } };
}

function plannedSites(model: Model, trained: ReadonlySet<string>): PlannedSite[] {
  // A path may be several sites at once; what is trained below it is counted once, and what two share at the first.
  const counted = new Set<string>();
  return model.sites.flatMap((site) => {
    const own = model.trained.filter(
      (handle) => trained.has(handle.key) && !counted.has(handle.key) && siteOf(model, handle) === site.path,
    );
    for (const { key } of own) counted.add(key);
    const methods = model.wrappedBy(site);
    if (own.length === 0 && methods.length === 0) return [];
    const { path, kind, role } = site;
    const shapes = Object.fromEntries(own.map((handle) => [handle.path, handle.shape]));
    return [{ path, kind, role, methods, trained: shapes, trainedParameters: countOf(own) }];
  });
}

/** The path of the site that a parameter belongs to: the longest that its own path begins with. */
function siteOf({ sites }: Model, { path }: Handle): string | undefined {
  return sites
    .map((site) => site.path)
    .filter((site) => path.startsWith(`${site}.`))
    .sort((a, b) => b.length - a.length)[0];
}

function countOf(handles: readonly Handle[]): number {
  return handles.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}
