import { openModelFolder } from '@tunesmith/checkpoints';
import {
  bucketLength,
  elementCount,
  estimateTraining,
  type Handle,
  type Model,
  matmulRate,
  type Objective,
  type TrainingEstimate,
} from '@tunesmith/core';
import { loadTokenizer, type Tokenizer } from '@tunesmith/data';
import type { Engine, OnPhase } from '../model/engine.js';
import { describeModel } from '../model/load-model.js';
import { locateModel } from '../model/locate-model.js';
import { createObjective, headOf } from '../objective/settings.js';
import type { Recipe } from '../recipe/recipe.js';
import { configuredMethods } from '../train/configured-methods.js';
import { openData } from '../train/open-data.js';
import { optimizerOf, stepsOf } from '../train/optimization.js';
import { maxLengthOf } from '../train/resolve-recipe.js';

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
  /** A step over rows of the greatest length; shorter rows take less. */
  readonly secondsPerStep: number;
  /** All steps, as if every row had the greatest length. */
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
  /** Memory and work of a step; null for a device that cannot tell. */
  readonly estimate: TrainingEstimate | null;
  readonly time: PlannedTime | null;
}

/** Share of a plain matrix product's speed that a whole step reaches, from below (`npm run bench:step`). */
const stepEfficiency = 0.7;

/** Patches a recipe's model without its weights, tokenises its data, and traces its step over shapes alone. */
export async function planRecipe(recipe: Recipe, engine: Engine, onPhase: OnPhase = () => {}): Promise<RunPlan> {
  const { path } = await locateModel(recipe.model, engine.hub, onPhase);
  const folder = await openModelFolder(path);
  await folder.close();
  const methods = configuredMethods(recipe, engine.methods);
  const head = { ...headOf(recipe.objective), checkpoint: folder.tensors };
  const model = describeModel(folder.config, path, engine.families, methods, null, head);
  const sites = plannedSites(model, new Set(model.trained.map(({ key }) => key)));
  const trainedParameters = countOf(model.trained);
  const tokenizer = await loadTokenizer(path);
  const objective = createObjective(recipe.objective, tokenizer);
  const { rows, length } = await measureData(recipe, model, tokenizer, engine.cacheFolder, onPhase);
  const steps = stepsOf(recipe.trainer, rows);
  const { estimate, time } = await measureStep(recipe, { model, objective, length, steps }, engine, onPhase);
  return {
    family: model.family.name,
    sites,
    elsewhere: trainedParameters - sites.reduce((sum, site) => sum + site.trainedParameters, 0),
    trainedParameters,
    totalParameters: countOf(model.handles),
    ...{ rows, length, estimate, time },
  };
}

async function measureData(
  { data, trainer, objective }: Recipe,
  { shape }: Model,
  tokenizer: Tokenizer,
  cacheFolder: string,
  onPhase: OnPhase,
): Promise<Pick<RunPlan, 'rows' | 'length'>> {
  const maxLength = maxLengthOf(data, shape);
  const options = { tokenizer, maxLength, seed: trainer.seed, objective, cacheFolder, onPhase };
  const { train, report } = await openData(data, options);
  const longest = data.packing ? maxLength : Math.min(report.longest, maxLength);
  return { rows: train.length, length: bucketLength(longest, maxLength) };
}

async function measureStep(
  { trainer, device }: Recipe,
  { model, objective, length, steps }: { model: Model; objective: Objective; length: number; steps: number },
  engine: Engine,
  onPhase: OnPhase,
): Promise<Pick<RunPlan, 'estimate' | 'time'>> {
  const backend = await engine.createBackend(device);
  if (backend.estimate === undefined) return { estimate: null, time: null };
  onPhase('tracing a step');
  const { batchSize, gradientAccumulation, gradientCheckpointing } = trainer;
  const settings = { batchSize, gradientAccumulation, gradientCheckpointing, length };
  const optimizer = optimizerOf(trainer);
  const estimate = await estimateTraining({ model, backend, objective, optimizer, ...settings });
  onPhase('measuring this machine');
  const rate = await matmulRate(backend);
  const secondsPerStep = estimate.flopsPerStep / (rate * stepEfficiency);
  return { estimate, time: { steps, matmulRate: rate, secondsPerStep, seconds: steps * secondsPerStep } };
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
