import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Model } from '../model/model.js';
import type { Objective } from '../objective/objective.js';
import type { Row } from '../objective/row.js';
import { collateRows } from '../objective/virtual-tokens.js';
import type { GradientTransformation } from '../optimizer/transformation.js';
import { elementCount, type Handle } from '../parameters/handle.js';
import { createParameterStore } from '../parameters/parameter-store.js';
import type { Backend } from '../program/backend.js';
import type { Program } from '../program/program.js';
import { accumulateProgram, applyProgram, stepProgram } from '../trainer/programs.js';
import { addGradientEntries, planTraining } from '../trainer/training-plan.js';
import { createShapeStore } from './shape-store.js';

export interface EstimateOptions {
  readonly model: Model;
  readonly backend: Backend;
  readonly objective: Objective;
  readonly optimizer: GradientTransformation;
  readonly batchSize: number;
  readonly gradientAccumulation?: number;
  readonly gradientCheckpointing?: boolean;
  /** Length of the rows to plan for, without virtual tokens: the longest. */
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
  /** Intermediate values of one run at their peak. */
  readonly activationBytes: number;
  /** Node, the runtime and the compiled graphs. */
  readonly runtimeBytes: number;
  readonly peakBytes: number;
  /** Matrix products of one optimizer step. */
  readonly flopsPerStep: number;
}

/** Resident bytes of Node with the engine and ONNX Runtime loaded and a tokenizer at hand (measured: 157 MB). */
const processBytes = 157e6;
/** ONNX Runtime's bytes for one node of an open session (measured: 9,174 nodes took 110 MB). */
const bytesPerNode = 12e3;

/**
 * What training takes, from tracing its programs over shapes alone: no weight is read and nothing runs.
 * @throws CAPABILITY_MISSING for a backend that cannot tell
 */
export async function estimateTraining(options: EstimateOptions): Promise<TrainingEstimate> {
  const { model, backend, objective, batchSize, length, gradientAccumulation = 1 } = options;
  if (backend.estimate === undefined) {
    throw new TunesmithError('CAPABILITY_MISSING', `the backend ${backend.name} cannot estimate a program`);
  }
  const store = createShapeStore();
  const parameters = createParameterStore(store);
  for (const { key, shape, dtype } of model.handles) {
    if (dtype === 'int32') store.set(key, { dtype, shape, data: new Int32Array(0) });
    else store.set(key, { dtype: 'float32', shape, data: new Float32Array(0) });
  }
  const weightBytes = bytesOf(store.specs.values());
  const plan = await planTraining({ ...options, parameters, weightDecay: 0 });
  const optimizerBytes = bytesOf(store.specs.values()) - weightBytes;
  if (gradientAccumulation > 1) addGradientEntries(plan);
  const gradientBytes = bytesOf(store.specs.values()) - weightBytes - optimizerBytes;

  const rows = Array.from({ length: batchSize }, () => longestRow(length, options.weightedShare ?? 1));
  const batch = collateRows(model, objective, rows, {
    rows: batchSize,
    maxLength: length,
    padToken: 0,
    predicting: true,
  });
  const estimate = (program: Program) => (backend.estimate as NonNullable<Backend['estimate']>)(program, store.specs);
  const programs =
    gradientAccumulation > 1
      ? [estimate(accumulateProgram(plan, batch)), estimate(applyProgram(plan))]
      : [estimate(stepProgram(plan, batch))];
  const [main, apply] = programs as [(typeof programs)[number], (typeof programs)[number] | undefined];
  const activationBytes = Math.max(...programs.map(({ activationBytes: bytes }) => bytes));
  const updateBytes = programs.reduce((sum, { updateBytes: bytes }) => sum + bytes, 0);
  const nodes = programs.reduce((sum, { nodes: count }) => sum + count, 0);
  const runtimeBytes = processBytes + nodes * bytesPerNode;
  const count = (handles: readonly Handle[]): number =>
    handles.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return {
    totalParameters: count(model.handles.filter(({ kind }) => kind === 'parameter')),
    trainedParameters: count(model.trained),
    weightBytes,
    optimizerBytes,
    gradientBytes,
    updateBytes,
    activationBytes,
    runtimeBytes,
    peakBytes: weightBytes + optimizerBytes + gradientBytes + updateBytes + activationBytes + runtimeBytes,
    flopsPerStep: main.matmulFlops * gradientAccumulation + (apply?.matmulFlops ?? 0),
  };
}

function longestRow(length: number, weightedShare: number): Row {
  const first = Math.max(1, Math.round(length * (1 - weightedShare)));
  return {
    tokens: new Int32Array(length),
    weights: Float32Array.from({ length }, (_, index) => (index >= first ? 1 : 0)),
  };
}

function bytesOf(specs: Iterable<{ shape: readonly number[] }>): number {
  let bytes = 0;
  for (const { shape } of specs) bytes += 4 * elementCount(shape);
  return bytes;
}
