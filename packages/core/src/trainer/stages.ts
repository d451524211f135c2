import { z } from 'zod';
import { TunesmithError } from '../errors/tunesmith-error.js';
import type { RunLength, Stage, StageHost, StageState } from '../method/stage.js';
import type { Model } from '../model/model.js';
import { type HostArray, zeroArray } from '../parameters/handle.js';
import { initialiseHandles } from '../parameters/parameter-store.js';
import type { TrainerOptions } from './trainer.js';
import {
  addGradientEntries,
  chunkState,
  chunksOf,
  gradientEntry,
  optimizerEntry,
  planTraining,
  type TrainingPlan,
} from './training-plan.js';
import { carryOptimizerState, readOptimizerState } from './training-state.js';

/** A stage with its place in the run. */
export interface PlannedStage extends Stage {
  /** Step at which it ends: for a `gradients` stage, that at which it begins. */
  readonly lastStep: number;
}

/** Divides a run as its method says; a run without stages is one that trains throughout. */
function planStages(model: Model, run: RunLength): readonly PlannedStage[] {
  const stager = model.methods.find(({ stages }) => stages !== undefined);
  const weights = model.handles.filter(({ owner }) => owner === 'base');
  const stages = stager?.stages?.(run, weights) ?? [];
  if (stages.length === 0) return [{ name: 'train', run: 'train', lastStep: run.steps }];
  if (stages.at(-1)?.run !== 'train') {
    throw new TunesmithError('CONFIG_INVALID', `the last stage of ${stager?.name} does not train`);
  }
  let lastStep = 0;
  return stages.map((stage, index) => {
    const isLast = index === stages.length - 1;
    if (stage.length === undefined && !isLast) {
      throw new TunesmithError('CONFIG_INVALID', `the stage "${stage.name}" of ${stager?.name} has no length`);
    }
    if (stage.run === 'train') lastStep = isLast ? run.steps : Math.min(run.steps, lastStep + (stage.length as number));
    return { ...stage, lastStep };
  });
}

/**
 * Patches the model for a stage and plans its training. What both stages train keeps its optimizer state and its count of
 * updates; what the old one declared alone is dropped, what the new one declares is initialised. `updates` counts those so
 * far. Programs compiled before are void.
 */
async function enterStage(
  options: TrainerOptions,
  stage: PlannedStage,
  ending: TrainingPlan | null,
  updates: number,
): Promise<TrainingPlan> {
  const { model, parameters, previous } = options;
  const { memory = null, values } =
    (await stage.enter?.({
      memory: model.stage?.memory ?? null,
      handles: model.handles,
      read: async (handle) => Float32Array.from(await parameters.read(handle)),
      ...(previous && { previous: keptBefore(model, previous) }),
    })) ?? {};
  const updated = ending === null ? [] : chunksOf(ending).flatMap(({ handles }) => handles);
  const trained = updated.filter(({ owner }) => owner === 'base').map(({ path }) => path);
  const moved = [...new Set([...(model.stage?.moved ?? []), ...trained])];
  const state = ending === null ? [] : await readOptimizerState(ending);
  const known = new Set(updated.map(({ key }) => key));
  const since = (key: string): number => (known.has(key) ? (ending?.since.get(key) ?? 0) : updates);
  await patchFor(options, { name: stage.name, memory, moved }, ending, values);
  const plan = await replan(options, stage, new Map(model.trained.map(({ key }) => [key, since(key)])));
  carryOptimizerState(plan, state);
  return plan;
}

/** What the method that has stages kept in the run before, by paths of its own. */
function keptBefore(
  { methods }: Model,
  previous: NonNullable<TrainerOptions['previous']>,
): NonNullable<StageHost['previous']> {
  const owner = methods.find(({ stages }) => stages !== undefined)?.name;
  return async (path) => {
    const kept = await previous(`parameter/${owner}/${path}`);
    if (kept !== undefined) return kept;
    throw new TunesmithError('CONFIG_INVALID', `the run before kept nothing for ${owner} to go on with`, {
      ...{ where: 'previous', expected: `${path} in its newest checkpoint` },
      hint: 'Both runs take the same methods on the same weights.',
    });
  };
}

/** Patches for a stage that a checkpoint was taken in: its tensors are to be written next. */
async function reenterStage(
  options: TrainerOptions,
  stage: PlannedStage,
  state: StageState,
  since: ReadonlyMap<string, number>,
  ending: TrainingPlan,
): Promise<TrainingPlan> {
  await patchFor(options, state, ending, 'zeros');
  return replan(options, stage, since);
}

/** A run's place among its stages, as a checkpoint holds it. */
export const stageProgressSchema = z.object({
  index: z.number().int(),
  state: z.object({ name: z.string(), memory: z.json(), moved: z.array(z.string()) }),
  since: z.record(z.string(), z.number()),
});

export type StageProgress = z.output<typeof stageProgressSchema>;

/** Which stage a run is in, and the plan of its programs. */
export interface StageRunner {
  readonly current: PlannedStage;
  readonly plan: TrainingPlan;
  /** True when the next step belongs to a later stage. */
  isOver(step: number): boolean;
  /** Enters the next stage. */
  next(updates: number): Promise<void>;
  /** Undefined in a run without stages. */
  progress(): StageProgress | undefined;
  restore(progress: StageProgress | undefined): Promise<void>;
}

/** Starts a run in its first stage. */
export async function createStageRunner(options: TrainerOptions, run: RunLength): Promise<StageRunner> {
  const { model } = options;
  const stages = planStages(model, run);
  const staged = model.methods.some((method) => method.stages !== undefined);
  const first = stages[0] as PlannedStage;
  let index = 0;
  let plan = staged ? await enterStage(options, first, null, 0) : await replan(options, first, new Map());
  const at = (wanted: number): PlannedStage => stages[wanted] as PlannedStage;
  return {
    get current() {
      return at(index);
    },
    get plan() {
      return plan;
    },
    isOver: (step) => index < stages.length - 1 && step >= at(index).lastStep,
    async next(updates) {
      plan = await enterStage(options, at(index + 1), plan, updates);
      index++;
    },
    progress() {
      if (model.stage === null) return undefined;
      return { index, state: model.stage as StageProgress['state'], since: Object.fromEntries(plan.since) };
    },
    async restore(progress) {
      if (progress === undefined) return;
      plan = await reenterStage(
        options,
        at(progress.index),
        progress.state,
        new Map(Object.entries(progress.since)),
        plan,
      );
      index = progress.index;
    },
  };
}

async function patchFor(
  { model, parameters, seed }: TrainerOptions,
  stage: StageState,
  ending: TrainingPlan | null,
  values: ReadonlyMap<string, HostArray> | 'zeros' | undefined,
): Promise<void> {
  if (ending !== null) removeTrainingEntries(ending);
  await parameters.unpack();
  const before = new Set(model.handles.map(({ key }) => key));
  model.enterStage(stage);
  const after = new Set(model.handles.map(({ key }) => key));
  for (const key of before) if (!after.has(key)) parameters.tensors.delete(key);
  const fresh = model.handles.filter(({ key, owner }) => owner !== 'base' && !before.has(key));
  if (values !== 'zeros') return initialiseHandles(parameters, model.handles, seed, { only: fresh, values });
  for (const handle of fresh) await parameters.write(handle, zeroArray(handle));
}

async function replan(
  options: TrainerOptions,
  { run }: PlannedStage,
  since: ReadonlyMap<string, number>,
): Promise<TrainingPlan> {
  const plan = await planTraining({ ...options, since, updates: run === 'train' });
  if (run === 'train' && (options.gradientAccumulation ?? 1) > 1) addGradientEntries(plan);
  return plan;
}

function removeTrainingEntries(plan: TrainingPlan): void {
  const { tensors } = plan.parameters;
  for (const chunk of chunksOf(plan)) {
    for (const slot of Object.keys(chunkState(plan.optimizer, chunk))) tensors.delete(optimizerEntry(slot, chunk));
    if (tensors.has(gradientEntry(chunk))) tensors.delete(gradientEntry(chunk));
  }
}
