import { z } from 'zod';
import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Model } from '../model/model.js';
import type { Objective } from '../objective/objective.js';
import type { Row } from '../objective/row.js';
import type { ParameterGroup } from '../optimizer/groups.js';
import type { GradientTransformation } from '../optimizer/transformation.js';
import { elementCount } from '../parameters/handle.js';
import type { ParameterStore } from '../parameters/parameter-store.js';
import type { Backend } from '../program/backend.js';
import type { Schedule } from '../schedule/schedule.js';
import type { Json } from '../storage/json.js';
import type { Named } from '../tensor/tfjs.js';
import { memoriesAfter, methodControls, objectiveControls } from './controls.js';
import {
  type DivergenceLimit,
  type DivergenceMemory,
  defaultDivergenceLimit,
  nothingSeen,
  policyDivergenceLimit,
  watchDivergence,
} from './divergence.js';
import { type BestSoFar, type EarlyStopping, nothingYet, observe, shouldStop } from './early-stopping.js';
import { evaluate } from './evaluate.js';
import { createExecutableCache, type ExecutableCache } from './executable-cache.js';
import { foldGradients } from './fold-gradients.js';
import type { CheckpointStore, EvaluateEvent, RowSource, TrainerCheckpoint, TrainerEvent } from './ports.js';
import { createStageRunner, type StageProgress, type StageRunner, stageProgressSchema } from './stages.js';
import { trainStep } from './train-step.js';
import type { TrainingPlan } from './training-plan.js';
import { readTrainingState, writeTrainingState } from './training-state.js';

export interface EvaluationOptions {
  /** The held-out rows, from the start each time. */
  readonly rows: () => AsyncIterable<Row> | Iterable<Row>;
  /** Steps between evaluations; the last step is always evaluated. */
  readonly every: number;
  /** The user's metrics, by name. */
  readonly measure?: (step: number) => Promise<Record<string, number>>;
  /** Texts that show what the model says by now. */
  readonly sample?: (step: number) => Promise<EvaluateEvent['samples']>;
  /** Which value chooses the best checkpoint and stops early, lower being better: `loss` or a metric's name. */
  readonly best?: string;
  readonly earlyStopping?: EarlyStopping;
}

export interface TrainerOptions {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly backend: Backend;
  readonly objective: Objective;
  readonly optimizer: GradientTransformation;
  readonly schedule: Schedule;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly groups?: readonly ParameterGroup[];
  readonly rows: RowSource;
  /** Rows of the tasks that were learnt before, for methods that keep to them. */
  readonly earlier?: RowSource;
  /** Tensors of the newest checkpoint of the run before, by name, for methods that go on with what they kept in it; undefined where it has none. */
  readonly previous?: (name: string) => Promise<Float32Array | undefined>;
  /** Rows of one micro-batch. */
  readonly batchSize: number;
  /** Micro-batches of one optimizer step; equal to one batch of `batchSize × gradientAccumulation` rows. */
  readonly gradientAccumulation?: number;
  /**
   * Whether each micro-batch is a batch of its own where the objective's rows cannot be computed apart (`Objective.coupled`), so that another
   * division of the same rows is another loss; accumulation is refused there if not said.
   */
  readonly accumulateApart?: boolean;
  /** Optimizer steps of the whole run. */
  readonly steps: number;
  readonly maxLength: number;
  readonly padToken: number;
  readonly seed: number;
  readonly gradientCheckpointing?: boolean;
  readonly evaluation?: EvaluationOptions;
  readonly checkpoints?: { readonly store: CheckpointStore; readonly every: number };
  readonly divergence?: DivergenceLimit;
  /** Compiled programs kept at once, one per batch shape; 8 if not said. */
  readonly mostExecutables?: number;
}

export interface Trainer {
  /** Of the stage that the run is in. */
  readonly plan: TrainingPlan;
  /**
   * Trains, yielding each event and, between steps, to the event loop. An aborted signal ends the run after the step in
   * hand, with a checkpoint.
   */
  run(options?: { signal?: AbortSignal }): AsyncGenerator<TrainerEvent, void, void>;
  /** Goes on from a checkpoint of the same recipe, bit for bit. Call it before `run`. */
  restore(checkpoint: TrainerCheckpoint): Promise<void>;
  /** Frees the compiled programs. */
  dispose(): Promise<void>;
}

const progressSchema = z.object({
  position: z.json(),
  updates: z.number().int(),
  totalTokens: z.number(),
  best: z.object({ value: z.number().nullable(), step: z.number().nullable(), evaluationsSince: z.number() }),
  divergence: z.object({ firstLoss: z.number().nullable(), stepsAbove: z.number(), stepsWithoutGradient: z.number() }),
  stage: stageProgressSchema.optional(),
  memories: z.record(z.string(), z.json()).default({}),
});

/** Everything that changes from step to step and is no tensor. */
interface Progress {
  readonly position: Json;
  /** Optimizer updates so far: Adam's step count. */
  readonly updates: number;
  readonly totalTokens: number;
  readonly best: BestSoFar;
  readonly divergence: DivergenceMemory;
  /** Absent in a run without stages. */
  readonly stage?: StageProgress | undefined;
  /** What controls remember, by the names of their inputs. */
  readonly memories: Named<Json>;
}

/** Plans the training of a model and returns what runs it. */
export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  const { parameters, backend, gradientAccumulation: accumulation = 1 } = options;
  checkControls(options);
  checkCoupling(options);
  const stages = await createStageRunner(options, { steps: options.steps, stepsPerEpoch: stepsPerEpoch(options) });
  const executables = createExecutableCache(backend, parameters.tensors, options.mostExecutables);
  let step = 0;
  let progress: Progress = {
    position: null,
    updates: 0,
    totalTokens: 0,
    best: nothingYet,
    divergence: nothingSeen,
    memories: {},
  };

  return {
    get plan() {
      return stages.plan;
    },

    async restore(checkpoint) {
      progress = progressSchema.parse(checkpoint.state) as Progress;
      step = checkpoint.step;
      await executables.dispose();
      await stages.restore(progress.stage);
      await writeTrainingState(stages.plan, checkpoint.tensors);
    },

    async *run({ signal } = {}) {
      const { evaluation, checkpoints, steps } = options;
      yield startEvent(options, stages.plan, step);
      if (progress.stage === undefined && stages.progress() !== undefined) yield stageEvent(stages, step);
      let lastCheckpoint = step > 0 ? step : null;
      const save = async (best: boolean): Promise<TrainerEvent> => {
        const tensors = await readTrainingState(stages.plan);
        const state = { ...progress, stage: stages.progress() } as unknown as Json;
        await checkpoints?.store.save({ step, tensors, state }, { best });
        lastCheckpoint = step;
        return { type: 'checkpoint', step, best };
      };

      const started = performance.now();
      const windowsFrom = (position: Json) => readWindows(options.rows, position, options.batchSize * accumulation);
      let windows = windowsFrom(progress.position);
      let reason: 'finished' | 'earlyStopping' | 'aborted' = signal?.aborted === true ? 'aborted' : 'finished';
      while (step < steps && reason === 'finished') {
        if (stages.current.run === 'gradients') {
          const whole = await foldGradients(options, stages.plan, executables, stages.current, signal);
          if (!whole) reason = 'aborted';
        }
        if (reason === 'finished' && stages.isOver(step)) {
          await executables.dispose();
          await stages.next(progress.updates);
          yield stageEvent(stages, step);
          continue;
        }
        if (reason !== 'finished') break;
        const window = await windows.next();
        if (window.done === true) throw endOfRows(step, steps);
        const { updates, totalTokens, memories } = progress;
        const at = { step, update: updates + 1, totalTokens, memories, started };
        const event = await trainStep(options, stages.plan, executables, window.value.rows, at);
        const position = options.rows.after?.(event, window.value.position) ?? window.value.position;
        if (position !== window.value.position) {
          await windows.return(undefined);
          windows = windowsFrom(position);
        }
        progress = {
          ...progress,
          position,
          updates: updates + 1,
          totalTokens: event.totalTokens,
          memories: memoriesAfter(
            { ...methodControls(stages.plan), ...objectiveControls(stages.plan) },
            memories,
            event,
          ),
          divergence: watchDivergence(
            progress.divergence,
            event,
            options.divergence ?? (options.objective.rollouts ? policyDivergenceLimit : defaultDivergenceLimit),
            lastCheckpoint,
          ),
        };
        step++;
        yield event;

        let best = false;
        if (evaluation !== undefined && (step % evaluation.every === 0 || step === steps)) {
          const seen = stages.current.preliminary === true ? null : progress.best;
          const evaluated = await evaluateNow(options, evaluation, executables, step, seen);
          progress = { ...progress, best: evaluated.memory ?? progress.best };
          best = evaluated.event.best;
          yield evaluated.event;
          if (shouldStop(progress.best, evaluation.earlyStopping)) reason = 'earlyStopping';
        }
        await new Promise((resolve) => setTimeout(resolve, 0));
        if (signal?.aborted === true && step < steps) reason = 'aborted';
        const due = step % (checkpoints?.every ?? 1) === 0 || step === steps || reason !== 'finished';
        if (checkpoints !== undefined && (due || best)) yield await save(best);
      }
      await windows.return(undefined);
      yield { type: 'end', step, reason };
    },

    dispose: () => executables.dispose(),
  };
}

/** Rule K: a method that needs a certain length of run says so before the first step. */
function checkControls(options: TrainerOptions): void {
  const controls = { ...methodControls(options), ...objectiveControls(options) };
  for (const { check } of Object.values(controls)) check?.(options.steps);
}

/** A loss over a whole batch at once is another loss over its parts (danger 13 of the plugin contract). */
function checkCoupling({ objective, gradientAccumulation = 1, accumulateApart = false }: TrainerOptions): void {
  if (objective.coupled === undefined || gradientAccumulation === 1 || accumulateApart) return;
  throw new TunesmithError(
    'CAPABILITY_MISSING',
    `"${objective.name}" cannot accumulate gradients: ${objective.coupled}`,
    {
      expected: 'gradientAccumulation 1',
      got: String(gradientAccumulation),
      hint: 'Take larger batches instead, or let each micro-batch be a batch of its own (accumulateApart), as TRL does.',
    },
  );
}

function stepsPerEpoch({ rows, batchSize, gradientAccumulation = 1 }: TrainerOptions): number | null {
  return rows.length === undefined ? null : Math.max(1, Math.floor(rows.length / (batchSize * gradientAccumulation)));
}

function stageEvent({ current, plan }: StageRunner, step: number): TrainerEvent {
  return { type: 'stage', name: current.name, step, trainedParameters: countParameters(plan.model.trained) };
}

function countParameters(handles: Model['handles']): number {
  return handles.reduce((sum, { shape, kind }) => sum + (kind === 'parameter' ? elementCount(shape) : 0), 0);
}

function startEvent({ model, steps }: TrainerOptions, plan: TrainingPlan, step: number): TrainerEvent {
  const trained = countParameters(plan.model.trained);
  return { type: 'start', step, steps, trainedParameters: trained, totalParameters: countParameters(model.handles) };
}

/** The rows of one optimizer step after another, each with the position after its last row. */
async function* readWindows(
  source: RowSource,
  position: Json,
  size: number,
): AsyncGenerator<{ rows: Row[]; position: Json }, void, void> {
  let rows: Row[] = [];
  for await (const read of source.read(position)) {
    rows.push(read.row);
    if (rows.length < size) continue;
    yield { rows, position: read.position };
    rows = [];
  }
}

function endOfRows(step: number, steps: number): TunesmithError {
  return new TunesmithError('DATA_INVALID', 'the training data ended before the run', {
    expected: `rows for ${steps} steps`,
    got: `${step} steps`,
    hint: 'A row source repeats its epochs without end.',
  });
}

/** Evaluates, and compares with the best so far, if that is given. */
async function evaluateNow(
  options: TrainerOptions,
  evaluation: EvaluationOptions,
  executables: ExecutableCache,
  step: number,
  best: BestSoFar | null,
): Promise<{ event: EvaluateEvent; memory: BestSoFar | null }> {
  const { model, parameters, objective, batchSize, maxLength, padToken } = options;
  const collate = { rows: batchSize, maxLength, padToken };
  const parts = { model, parameters, objective, executables, collate };
  const { loss, perplexity, metrics: measured } = await evaluate(evaluation.rows(), parts);
  const metrics = { ...measured, ...(await evaluation.measure?.(step)) };
  const samples = (await evaluation.sample?.(step)) ?? [];
  const chosen = evaluation.best ?? 'loss';
  const value = chosen === 'loss' ? loss : metrics[chosen];
  if (value === undefined) {
    throw new TunesmithError('NAME_UNKNOWN', `there is no metric "${chosen}" to choose the best checkpoint by`, {
      expected: ['loss', ...Object.keys(metrics)].join(', '),
    });
  }
  const memory = best === null ? null : observe(best, value, step, evaluation.earlyStopping?.minimumImprovement);
  return {
    event: { type: 'evaluate', step, loss, perplexity, metrics, samples, best: memory?.step === step },
    memory,
  };
}
