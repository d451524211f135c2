import { openModelFolder } from '@tunesmith/checkpoints';
import { elementCount, type Handle, type Model } from '@tunesmith/core';
import type { Engine, OnPhase } from '../model/engine.js';
import { describeModel, dtypeOf } from '../model/load-model.js';
import { locateModel } from '../model/locate-model.js';
import type { Recipe } from '../recipe/recipe.js';
import { configuredMethods } from '../train/configured-methods.js';
import { optimizerOf } from '../train/optimization.js';

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

/** What a recipe would train, before any weight is read. */
export interface RunPlan {
  readonly family: string;
  readonly sites: readonly PlannedSite[];
  /** Trained parameters that belong to no site. */
  readonly elsewhere: number;
  readonly trainedParameters: number;
  readonly totalParameters: number;
  /** What lies in memory all the time, in bytes; activations come on top. */
  readonly bytes: {
    readonly weights: number;
    readonly trained: number;
    readonly optimizer: number;
    /** Gradients that add up over micro-batches. */
    readonly accumulated: number;
  };
}

/** Patches a recipe's model without its weights, and says what each method touches. */
export async function planRecipe(
  recipe: Recipe,
  engine: Pick<Engine, 'families' | 'methods' | 'hub'>,
  onPhase?: OnPhase,
): Promise<RunPlan> {
  const { path } = await locateModel(recipe.model, engine.hub, onPhase);
  const folder = await openModelFolder(path);
  await folder.close();
  const model = describeModel(folder.config, path, engine.families, configuredMethods(recipe, engine.methods));
  const trainedKeys = new Set(model.trained.map(({ key }) => key));
  const sites = plannedSites(model, trainedKeys);
  const frozen = model.handles.filter(({ key }) => !trainedKeys.has(key));
  const trainedParameters = countOf(model.trained);
  const dtype = recipe.model.dtype === 'auto' ? dtypeOf(folder) : recipe.model.dtype;
  const trained = 4 * trainedParameters;
  return {
    family: model.family.name,
    sites,
    elsewhere: trainedParameters - sites.reduce((sum, site) => sum + site.trainedParameters, 0),
    trainedParameters,
    totalParameters: countOf(model.handles),
    bytes: {
      weights: countOf(frozen) * (dtype === 'float32' ? 4 : 2),
      trained,
      optimizer: optimizerOf(recipe.trainer).slots.length * trained,
      accumulated: recipe.trainer.gradientAccumulation > 1 ? trained : 0,
    },
  };
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
