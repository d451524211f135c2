/** Takes the steps that a recorder took from equal weights, and compares losses, gradient norms and final weights. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModelFolder, openSafetensors } from '@tunesmith/checkpoints';
import {
  type Adapter,
  adamw,
  type Backend,
  buildModel,
  chain,
  clipByGlobalNorm,
  constantSchedule,
  createParameterStore,
  createTrainer,
  exportAdapter,
  type HostArray,
  importAdapter,
  initialiseHandles,
  loadWeights,
  type Method,
  type Model,
  type Objective,
  type ParameterGroup,
  type ParameterStore,
  type Quantization,
  type Row,
  type RowSource,
  readFloat32,
  type StepEvent,
  type StoredTensor,
  sft,
  type Task,
  type TensorSource,
} from '@tunesmith/core';
import { familyFor } from '@tunesmith/models';
import { expect } from 'vitest';
import { z } from 'zod';
import { fixtures, relativeError } from './fixture-values.js';

const metaSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      base: z.string(),
      steps: z.number(),
      maxGradientNorm: z.number(),
      /** The method and its options, where a topic has several. */
      method: z.string().optional(),
      options: z.record(z.string(), z.unknown()).default({}),
      adamw: z.object({ lr: z.number(), eps: z.number(), weight_decay: z.number() }),
    }),
  ),
});

/** How one case was trained. */
export type RecordedCase = z.output<typeof metaSchema>['cases'][string];

/** The cases of a topic, from its meta.json. */
export function recordedCases(topic: string): Record<string, RecordedCase> {
  return metaSchema.parse(JSON.parse(readFileSync(join(fixtures, topic, 'meta.json'), 'utf8'))).cases;
}

/** A recorded model that a method has patched. */
export interface Prepared {
  readonly model: Model;
  readonly method: Method;
  readonly parameters: ParameterStore;
  readonly backend: Backend;
}

/** Loads a recorded model, and the adapter that the recorder began with. Of several methods, the first is the adapter's. */
export async function prepareModel(
  base: string,
  method: Method | readonly [Method, ...Method[]],
  backend: Backend,
  adapter?: TensorSource,
  objective: Objective = sft,
  quantization?: Quantization,
): Promise<Prepared> {
  const folder = await openModelFolder(join(fixtures, base));
  const family = familyFor(folder.config);
  const methods = [method].flat() as [Method, ...Method[]];
  const model = buildModel({
    family,
    config: family.parseConfig(folder.config),
    methods,
    ...headOf(objective),
    ...(quantization && { quantization }),
  });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, folder.tensors, parameters);
  await folder.close();
  await initialiseHandles(parameters, model.handles, 1);
  if (adapter !== undefined) await importAdapter(model, methods[0], parameters, adapter);
  return { model, method: methods[0], parameters, backend };
}

/** The head that an objective needs. */
function headOf({ task, labels }: Objective): { task?: Task; labels?: number } {
  return { ...(task === undefined ? {} : { task }), ...(labels === undefined ? {} : { labels }) };
}

export interface RecordedRun {
  readonly topic: string;
  readonly name: string;
  readonly recorded: RecordedCase;
  /** The topic whose batches the recorder saw; the case's own if not said. */
  readonly batches?: string;
  /** What the recorder saw, where that is no such topic's batches: rows over and over, or as a source gives them. */
  readonly rows?: readonly Row[] | RowSource;
  /** Rows of a step; 4 if not said. */
  readonly batchSize?: number;
  /** What is minimised; `sft` if not said. */
  readonly objective?: Objective;
  /** Rows of an earlier task, for a method that keeps to it. */
  readonly earlier?: readonly Row[];
  /** Whether blocks are recomputed; they are not if not said. */
  readonly gradientCheckpointing?: boolean;
  /** Sees every step. */
  readonly onStep?: (event: StepEvent) => void;
  /** How parameters are grouped; all decay alike, as in PyTorch's optimizers, if not said. */
  readonly groups?: readonly ParameterGroup[];
}

/** Trains as recorded in `fixtures/<topic>/<name>`, holds every loss and norm to what is there, and exports the adapter. */
export async function takeRecordedSteps(
  { model, method, parameters, backend }: Prepared,
  {
    topic,
    name,
    recorded,
    batches = topic,
    rows,
    batchSize = 4,
    objective = sft,
    earlier,
    groups,
    gradientCheckpointing = false,
    onStep,
  }: RecordedRun,
): Promise<Adapter<HostArray>> {
  const { steps, maxGradientNorm, adamw: options } = recorded;
  const trainer = await createTrainer({
    ...runOver(rows ?? (await batchRows(batches, steps))),
    batchSize,
    ...(earlier && { earlier: repeat(earlier) }),
    objective,
    model,
    parameters,
    backend,
    gradientCheckpointing,
    optimizer: chain(clipByGlobalNorm(maxGradientNorm), adamw({ epsilon: options.eps })),
    learningRate: options.lr,
    weightDecay: options.weight_decay,
    groups: groups ?? [{ match: () => true, decay: options.weight_decay }],
    steps,
  });
  const losses: number[] = [];
  const norms: number[] = [];
  for await (const event of trainer.run()) {
    if (event.type !== 'step') continue;
    onStep?.(event);
    losses.push(event.loss);
    norms.push(event.gradientNorm);
  }
  const expected = await openSafetensors(join(fixtures, topic, name, 'expected.safetensors'));
  expect(relativeError(losses, await values(expected, 'losses'))).toBeLessThan(1e-5);
  if (expected.get('gradient_norms') !== undefined) {
    expect(relativeError(norms, await values(expected, 'gradient_norms'))).toBeLessThan(1e-4);
  }
  await expected.close();
  const adapter = await exportAdapter(model, method, parameters, backend);
  await trainer.dispose();
  return adapter;
}

/** What trains on a topic's batches, at a constant rate. */
export async function recordedRows(topic: string, steps: number) {
  return runOver(await batchRows(topic, steps));
}

function runOver(rows: readonly Row[] | RowSource) {
  const schedule = constantSchedule();
  return {
    objective: sft,
    schedule,
    rows: 'read' in rows ? rows : repeat(rows),
    batchSize: 4,
    maxLength: 16,
    padToken: 0,
    seed: 0,
  };
}

/** Compares every tensor of an adapter with a recorded file, which must hold no other. */
export async function expectTensors(
  adapter: Adapter<HostArray>,
  recorded: TensorSource,
  recordedName = (name: string) => name,
): Promise<void> {
  for (const { name, data } of adapter.tensors) {
    expect(relativeError(data, await values(recorded, recordedName(name))), name).toBeLessThan(1e-4);
  }
  expect(adapter.tensors.length).toBe(recorded.names().length);
}

/** One tensor of a file; a name that is not there is an error. */
export async function values(source: TensorSource, name: string): Promise<Float32Array> {
  return readFloat32(source.get(name) as StoredTensor);
}

/** The rows of a topic’s batches, those of one step after those of another. */
export async function batchRows(topic: string, steps: number): Promise<Row[]> {
  const file = await openSafetensors(join(fixtures, topic, 'batches.safetensors'));
  const ids = await values(file, 'input_ids');
  const weights = await values(file, 'weights');
  const classes = file.get('classes') === undefined ? undefined : await values(file, 'classes');
  const [, rows = 0, length = 0] = file.get('input_ids')?.shape ?? [];
  await file.close();
  return Array.from({ length: steps * rows }, (_, row) => ({
    tokens: Int32Array.from(ids.subarray(row * length, (row + 1) * length)),
    // The first token has nothing before it to be predicted from.
    weights: weights.slice(row * length, (row + 1) * length).map((weight, index) => (index === 0 ? 0 : weight)),
    ...(classes === undefined ? {} : { labels: classes.slice(row, row + 1) }),
  }));
}

function repeat(rows: readonly Row[]): RowSource {
  return {
    length: rows.length,
    async *read(position) {
      for (let index = Number(position); ; index++) {
        yield { row: rows[index % rows.length] as Row, position: index + 1 };
      }
    },
  };
}
