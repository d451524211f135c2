import {
  addVirtualTokens,
  attentionMask,
  type Batch,
  collateRows,
  createTrace,
  type Handle,
  type HostArray,
  type HostTensor,
  type LossTerm,
  type Model,
  type Named,
  type Program,
  type ProgramIO,
  type Tensor,
  type TensorSpec,
  type Trace,
  type TraceOptions,
  tf,
  tokenColumns,
} from '@tunesmith/core';
import { type TinyModel, tinyRows } from './tiny-run.js';

/** Two rows of ten tokens, and where an encoder reads another text ten of it, behind what the methods put before a text. */
function probeInputs(model: Pick<Model, 'shape' | 'virtualTokens'>): Named<HostTensor> {
  const { vocabularySize, answerStart } = model.shape;
  const rows = [0, 1].map((row) => {
    const token = (index: number): number => ((10 * row + index) * 7 + 3) % vocabularySize;
    const tokens = Int32Array.from({ length: 10 }, (_, index) => token(index));
    const source = answerStart === undefined ? {} : { source: tokens.toReversed() };
    return addVirtualTokens(model, { tokens, weights: new Float32Array(10), ...source });
  });
  const int32 = (each: readonly Int32Array[]): HostTensor => ({
    dtype: 'int32',
    shape: [2, each[0]?.length ?? 0],
    data: Int32Array.from(each.flatMap((values) => [...values])),
  });
  const sources = rows.flatMap(({ source }) => (source === undefined ? [] : [source]));
  return {
    ids: int32(rows.map(({ tokens }) => tokens)),
    positions: int32(rows.map(({ tokens }) => tokens.map((_, index) => index))),
    ...(sources.length > 0 && {
      sourceIds: int32(sources),
      sourceSegments: int32(sources.map((source) => source.map(() => 1))),
    }),
  };
}

const collateOptions = { rows: 4, maxLength: 16, padToken: 0 };

function columnSpecs({ columns }: Pick<Batch, 'columns'>): Named<TensorSpec> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, { shape: size, dtype }]) => [
      name,
      { shape: size, dtype: dtype as TensorSpec['dtype'] },
    ]),
  );
}

/** A trace over a batch's columns, with the mask that their segments ask for. */
function openBatch(
  io: ProgramIO,
  { model, parameters }: TinyModel,
  batch: Batch,
  options: Partial<TraceOptions> = {},
): { t: Trace; columns: Named<Tensor> } {
  const columns = Object.fromEntries(Object.keys(batch.columns).map((name) => [name, io.input(name)]));
  const { segments } = columns;
  const t = createTrace(io, {
    training: false,
    resolve: model.resolve,
    read: (handle) => parameters.readIn(io, handle),
    encoded: (handle) => parameters.encodedIn(io, handle),
    ...(segments === undefined ? {} : { mask: attentionMask(segments, segments) }),
    ...options,
  });
  return { t, columns };
}

async function runOnce(
  { backend, parameters }: TinyModel,
  program: Program,
  inputs: Named<HostTensor>,
): Promise<Named<Float32Array>> {
  const executable = await backend.compile(program, parameters.tensors);
  try {
    const outputs = await executable.run(inputs);
    return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
  } finally {
    await executable.dispose();
  }
}

/** Adapters that act, and for each row which of the stacks is its own; all put the same before a text. */
export interface ActingRows {
  readonly stacks: readonly (readonly string[])[];
  readonly rows: readonly number[];
}

function adaptersOf(acting: ActingRows | undefined): Pick<TraceOptions, 'adapters'> {
  if (acting === undefined) return {};
  return { adapters: { stacks: acting.stacks, rows: tf.tensor1d([...acting.rows], 'int32') } };
}

/**
 * What the model computes without dropout: logits [2, 10, vocabulary] for fixed token ids, or the objective's predictions
 * for four rows where it predicts something.
 */
export async function probeLogits(tiny: TinyModel, acting?: ActingRows): Promise<Float32Array> {
  const { model, parameters, objective } = tiny;
  const { predictions } = objective;
  const { virtualTokens } = model.under(acting?.stacks[0] ?? []);
  if (predictions !== undefined) {
    const batch = collateRows({ virtualTokens }, objective, tinyRows(model).slice(0, 4), collateOptions);
    const program: Program = {
      name: 'predictions',
      inputs: columnSpecs(batch),
      body(io) {
        const { t, columns } = openBatch(io, tiny, batch, adaptersOf(acting));
        return { outputs: { logits: predictions.predict(model, columns, t) } };
      },
    };
    return (await runOnce(tiny, program, batch.columns)).logits as Float32Array;
  }
  const inputs = probeInputs({ shape: model.shape, virtualTokens });
  const program: Program = {
    name: 'probe',
    inputs: columnSpecs({ columns: inputs }),
    body(io) {
      const t = createTrace(io, {
        training: false,
        ...adaptersOf(acting),
        resolve: model.resolve,
        read: (handle) => parameters.readIn(io, handle),
        encoded: (handle) => parameters.encodedIn(io, handle),
      });
      const columns = Object.fromEntries(Object.keys(inputs).map((name) => [name, io.input(name)]));
      const logits = model.run(t, tokenColumns(columns)).logits();
      return { outputs: { logits: tf.slice(logits, [0, (logits.shape[1] as number) - 10, 0]) } };
    },
  };
  const { logits } = await runOnce(tiny, program, inputs);
  return logits as Float32Array;
}

/** The loss over four rows and its gradient for every trained handle, by key, without dropout. */
export async function lossAndGradients(
  tiny: TinyModel,
  { checkpointBlocks = false }: { readonly checkpointBlocks?: boolean } = {},
): Promise<{ loss: number; gradients: Named<Float32Array> }> {
  const { model, parameters } = tiny;
  const batch = fourRows(tiny);
  const program: Program = {
    name: 'gradients',
    inputs: columnSpecs(batch),
    body(io) {
      const values = model.trained.map((handle) => parameters.readIn(io, handle));
      const byKey = new Map(model.trained.map(({ key }, index) => [key, values[index] as Tensor]));
      const read = (handle: Handle): Tensor => byKey.get(handle.key) ?? parameters.readIn(io, handle);
      const loss = (): Tensor => lossIn(io, tiny, batch, { checkpointBlocks, read });
      const { value, grads } = tf.engine().gradients(loss, values);
      const gradients = model.trained.map(({ key }, index) => [key, grads[index] as Tensor]);
      return { outputs: { loss: value, ...Object.fromEntries(gradients) } };
    },
  };
  const { loss, ...gradients } = await runOnce(tiny, program, batch.columns);
  return { loss: loss?.[0] as number, gradients };
}

/** The same loss, of the parameters as they are at each call. */
export interface LossOfParameters {
  loss(): Promise<number>;
  dispose(): Promise<void>;
}

/** Compiles the loss once. `constants`: values, by key, of trained handles wherever a method takes them for constants. */
export async function compileLoss(
  tiny: TinyModel,
  constants: ReadonlyMap<string, HostArray>,
): Promise<LossOfParameters> {
  const batch = fourRows(tiny);
  const readConstant = ({ key, shape }: Handle): Tensor | undefined => {
    const held = constants.get(key);
    return held === undefined ? undefined : tf.tensor(held, [...shape]);
  };
  const program: Program = {
    name: 'loss',
    inputs: columnSpecs(batch),
    body: (io) => ({ outputs: { loss: lossIn(io, tiny, batch, { readConstant }) } }),
  };
  const executable = await tiny.backend.compile(program, tiny.parameters.tensors);
  return {
    loss: async () => (await executable.run(batch.columns)).loss?.data[0] as number,
    dispose: () => executable.dispose(),
  };
}

const fourRows = ({ model, objective }: TinyModel): Batch =>
  collateRows(model, objective, tinyRows(model).slice(0, 4), collateOptions);

function lossIn(io: ProgramIO, tiny: TinyModel, batch: Batch, options: Partial<TraceOptions>): Tensor {
  const { t, columns } = openBatch(io, tiny, batch, options);
  const [term] = tiny.objective.losses(tiny.model, columns, t) as [LossTerm, ...LossTerm[]];
  return tf.div(term.sum, batch.normalizers[term.per] as number);
}

/** Largest absolute difference relative to the largest magnitude, or to `floor` where that is larger. */
export function relativeError(got: HostArray, expected: HostArray, floor = Number.MIN_VALUE): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let index = 0; index < expected.length; index++) {
    worst = Math.max(worst, Math.abs((got[index] as number) - (expected[index] as number)));
  }
  return worst / Math.max(floor, largestMagnitude(expected));
}

export function largestMagnitude(values: HostArray): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}
