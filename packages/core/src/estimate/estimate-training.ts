import type { Model } from '../model/model.js';
import type { Objective } from '../objective/objective.js';
import type { Row } from '../objective/row.js';
import { collateRows } from '../objective/virtual-tokens.js';
import { type GradientTransformation, mapNamed } from '../optimizer/transformation.js';
import { elementCount, type Handle } from '../parameters/handle.js';
import { createParameterStore, type ParameterStore } from '../parameters/parameter-store.js';
import type { Backend, HostTensor, StoredSpec } from '../program/backend.js';
import type { Program } from '../program/program.js';
import type { Encoding } from '../storage/encoded-matrix.js';
import type { Named } from '../tensor/tfjs.js';
import { accumulateProgram, applyProgram, stepProgram } from '../trainer/programs.js';
import { addGradientEntries, planTraining, type TrainingPlan } from '../trainer/training-plan.js';
import { trainingStateBytes } from '../trainer/training-state.js';
import { createDryRun, type DryUse, totalBytes } from './dry-run.js';

export interface EstimateOptions {
  readonly model: Model;
  readonly backend: Backend;
  readonly objective: Objective;
  readonly optimizer: GradientTransformation;
  readonly batchSize: number;
  readonly gradientAccumulation?: number;
  readonly gradientCheckpointing?: boolean;
  /** Length of the rows to plan for, without virtual tokens: all have it. */
  readonly length: number;
  /** Share of a row's tokens that have a loss weight; 1 if not said. */
  readonly weightedShare?: number;
}

/** What training will take, in bytes, floating-point operations and counts. */
export interface TrainingEstimate {
  readonly totalParameters: number;
  readonly trainedParameters: number;
  /** Frozen and trained weights as they are stored. */
  readonly weightBytes: number;
  /** Optimizer state. */
  readonly optimizerBytes: number;
  /** Gradients summed over micro-batches; 0 without accumulation. */
  readonly gradientBytes: number;
  /** The next values of whatever a step updates, while it runs. */
  readonly updateBytes: number;
  /** Intermediate values: each compiled program keeps those of its peak for its next run. */
  readonly activationBytes: number;
  /** Dropout masks and large constants. */
  readonly fedBytes: number;
  /** Node, the runtime and the compiled graphs. */
  readonly runtimeBytes: number;
  /** Copies that are made to write a checkpoint; 0 where none is written. */
  readonly checkpointBytes: number;
  /** Programs compiled at a time, at most: one for each shape of batch, to train on and to evaluate. */
  readonly programs: number;
  readonly peakBytes: number;
  /** Matrix products of one optimizer step. */
  readonly flopsPerStep: number;
}

/** What a dry run is made with, and what it comes to. */
export interface TrainingDryRun {
  readonly backend: Backend;
  /** Over shapes alone. */
  readonly parameters: ParameterStore;
  /** Matrix products of all that ran so far. */
  flops(): number;
  /** What was needed so far at the most. `checkpointed` is the plan of a training that writes checkpoints. */
  estimate(flopsPerStep: number, checkpointed?: TrainingPlan): TrainingEstimate;
}

/** Resident bytes of Node with the engine and ONNX Runtime loaded and a tokenizer at hand (measured: 157 MB). */
const processBytes = 157e6;
/** ONNX Runtime's bytes for one node of an open session (measured: 9,174 nodes took 110 MB). */
const bytesPerNode = 12e3;

/**
 * A backend and parameters over shapes alone, for a model whose weights were not read. Whatever then trains, evaluates or
 * generates with them is counted: what it compiles, keeps and frees.
 * @param dtypeOf how a base weight is stored; what is trained is float32
 * @throws CAPABILITY_MISSING for a backend that cannot tell
 */
export function startTrainingDryRun(
  model: Model,
  backend: Backend,
  dtypeOf: (handle: Handle) => StoredSpec['dtype'] = () => 'float32',
): TrainingDryRun {
  const dry = createDryRun(backend, bytesPerNode);
  const store = dry.backend.createStore();
  const trained = new Set(model.trained);
  const parameters = createParameterStore(store);
  for (const handle of model.handles) {
    const encoding = model.encodingOf(handle);
    if (encoding !== undefined) {
      parameters.writeParts(handle, encoding, partsWithoutValues(encoding));
      continue;
    }
    const isFrozen = handle.owner === 'base' && !trained.has(handle);
    const dtype = handle.dtype ?? (isFrozen ? dtypeOf(handle) : 'float32');
    store.declare(handle.key, { shape: handle.shape, dtype });
  }
  const bytesOf = (use: DryUse): number => totalBytes(use) + use.nodes * bytesPerNode;
  const count = (handles: readonly Handle[]): number =>
    handles.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  // Now: a run's stages patch the model anew.
  const counts = {
    totalParameters: count(model.handles.filter(({ kind }) => kind === 'parameter')),
    trainedParameters: count(model.trained),
  };
  return {
    backend: dry.backend,
    parameters,
    flops: dry.flops,
    estimate(flopsPerStep, checkpointed) {
      const { nodes, ...peak } = dry.peak();
      // The state is copied once out of the store and once more into the file's form.
      const copied = checkpointed === undefined ? 0 : 2 * trainingStateBytes(checkpointed);
      const saving = bytesOf(dry.now()) + copied;
      return {
        ...counts,
        ...peak,
        runtimeBytes: processBytes + nodes * bytesPerNode,
        checkpointBytes: copied,
        peakBytes: processBytes + Math.max(bytesOf({ nodes, ...peak }), saving),
        flopsPerStep,
      };
    },
  };
}

/**
 * What training takes on rows of one length, without stages, evaluation and checkpoints: its programs are traced over
 * shapes alone, no weight is read and nothing runs.
 * @throws CAPABILITY_MISSING for a backend that cannot tell
 */
export async function estimateTraining(options: EstimateOptions): Promise<TrainingEstimate> {
  const { model, backend, objective, batchSize, length, gradientAccumulation = 1 } = options;
  const dry = startTrainingDryRun(model, backend);
  const { parameters } = dry;
  const plan = await planTraining({ ...options, parameters, weightDecay: 0 });
  const answer = rowOf(length, options.weightedShare ?? 1);
  // What an encoder reads is as long as the answer to it.
  const row = model.shape.answerStart === undefined ? answer : { ...answer, source: new Int32Array(length) };
  const rows = Array.from({ length: batchSize }, () => row);
  const batch = collateRows(model, objective, rows, {
    ...{ rows: batchSize, maxLength: length, padToken: 0, predicting: true },
  });
  if (gradientAccumulation === 1) {
    await run(stepProgram(plan, batch), 1);
  } else {
    addGradientEntries(plan);
    await run(accumulateProgram(plan, batch), gradientAccumulation);
    await run(applyProgram(plan), 1);
  }
  return dry.estimate(dry.flops());

  async function run(program: Program, times: number): Promise<void> {
    const executable = await dry.backend.compile(program, parameters.tensors);
    for (let time = 0; time < times; time++) await executable.run({});
  }
}

function rowOf(length: number, weightedShare: number): Row {
  const first = Math.max(1, Math.round(length * (1 - weightedShare)));
  return {
    tokens: new Int32Array(length),
    weights: Float32Array.from({ length }, (_, index) => (index >= first ? 1 : 0)),
  };
}

/** What a codec keeps, as far as a store of shapes looks at it. */
function partsWithoutValues(encoding: Encoding): Named<HostTensor> {
  return mapNamed(encoding.codec.parts(encoding), (spec) => ({ ...spec, data: new Uint8Array(0) }) as HostTensor);
}
