import {
  attentionMask,
  type Backend,
  buildModel,
  createParameterStore,
  createTrace,
  type Family,
  fromFloat32,
  type HostTensor,
  initialiseHandles,
  loadWeights,
  type Method,
  type Model,
  type Named,
  type ParameterStore,
  type Program,
  type ProgramIO,
  readFloat32,
  type Tensor,
  type TensorSource,
  type TensorSpec,
  type TokenColumns,
  type Trace,
  type TraceOptions,
  type TraceWithObservations,
  TunesmithError,
  tf,
  type WeightDtype,
} from '@tunesmith/core';
import { type FamilyCase, type FamilyFixture, patchOnly } from './family-case.js';

/** A fixture's model, loaded into a store of a backend. */
export interface LoadedModel {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly backend: Backend;
}

export async function loadModel(
  family: Family,
  backend: Backend,
  { config, weights }: Pick<FamilyFixture, 'config' | 'weights'>,
  {
    methods = [],
    dtype = 'float32',
    head,
  }: {
    methods?: readonly Method[] | undefined;
    dtype?: WeightDtype | undefined;
    head?: FamilyCase['head'];
  } = {},
): Promise<LoadedModel> {
  const model = buildModel({ family, config: family.parseConfig(config), methods, ...(head ?? {}) });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, weights, parameters, { dtype });
  await initialiseHandles(parameters, model.handles, 0);
  return { model, parameters, backend };
}

/** Compiles, runs once and frees. */
export async function runOnce(
  { backend, parameters }: LoadedModel,
  program: Program,
  inputs: Named<HostTensor>,
): Promise<Named<HostTensor>> {
  const executable = await backend.compile(program, parameters.tensors);
  try {
    return await executable.run(inputs);
  } finally {
    await executable.dispose();
  }
}

/** What goes into one run: int32 `[rows, length]` each. */
export interface FamilyInputs {
  readonly ids: HostTensor;
  readonly positions: HostTensor;
  /** Which example of a packed row a token is of; 0 in the padding. */
  readonly segments?: HostTensor;
  /** Which of a pair's texts. */
  readonly tokenTypes?: HostTensor;
  /** What an encoder reads, `[rows, source]`, and 1 where that is text. */
  readonly sourceIds?: HostTensor;
  readonly sourceSegments?: HostTensor;
}

export function inputSpecs(inputs: FamilyInputs): Named<TensorSpec> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { shape }]: [string, HostTensor]) => [name, { shape, dtype: 'int32' }]),
  );
}

/** A trace and the token columns of a run over `inputs`. */
export function openRun(
  io: ProgramIO,
  { model, parameters }: Pick<LoadedModel, 'model' | 'parameters'>,
  inputs: FamilyInputs,
  options: Partial<TraceOptions> = {},
): { t: TraceWithObservations; columns: TokenColumns } {
  const segments = inputs.segments === undefined ? undefined : io.input('segments');
  const t = createTrace(io, {
    training: false,
    resolve: model.resolve,
    read: (handle) => parameters.readIn(io, handle),
    encoded: (handle) => parameters.encodedIn(io, handle),
    ...(segments === undefined ? {} : { mask: attentionMask(segments, segments) }),
    ...options,
  });
  const types = inputs.tokenTypes === undefined ? {} : { tokenTypes: io.input('tokenTypes') };
  const source =
    inputs.sourceIds === undefined
      ? {}
      : { source: { ids: io.input('sourceIds'), segments: io.input('sourceSegments') } };
  return { t, columns: { ids: io.input('ids'), positions: io.input('positions'), ...types, ...source } };
}

/** Where each row's last token lies in the flattened batch. */
function lastTokens({ ids, segments }: FamilyInputs): number[] {
  const [rows = 0, length = 0] = ids.shape;
  return Array.from({ length: rows }, (_, row) => {
    const own = Array.from(segments?.data.slice(row * length, (row + 1) * length) ?? [], Number);
    return row * length + (segments === undefined ? length : own.findLastIndex((segment) => segment > 0) + 1) - 1;
  });
}

/** The logits that a model is there for: a sequence's, or those at every position. */
export function logitsOf(model: Model, t: Trace, columns: TokenColumns, inputs: FamilyInputs): Tensor {
  const run = model.run(t, columns);
  return model.head.task === 'sequence-classification'
    ? run.scores(tf.tensor1d(lastTokens(inputs), 'int32'))
    : run.logits();
}

/** The logits, and whatever the model's methods observe. */
export function forwardProgram(loaded: LoadedModel, inputs: FamilyInputs): Program {
  return {
    name: 'forward',
    inputs: inputSpecs(inputs),
    body(io) {
      const { t, columns } = openRun(io, loaded, inputs);
      const logits = logitsOf(loaded.model, t, columns, inputs);
      return { outputs: { logits, ...Object.fromEntries(t.observations) } };
    },
  };
}

/** Observes what enters the first block, and what leaves each block and the last norm, as `hidden.<path>`. */
export const probe: Method = patchOnly('probe', (patcher) => {
  const watch = (t: Trace, path: string, output: Tensor): Tensor => {
    t.observe(`hidden.${path}`, output);
    return output;
  };
  for (const { path, depth } of patcher.sites('block')) {
    patcher.wrap('block', { include: [path] }, () => (x, next, t) => {
      if (depth === 0) t.observe('hidden.embedding', tf.clone(x));
      return watch(t, path, next(x));
    });
  }
  for (const { path, depth } of patcher.sites('norm')) {
    if (depth !== null) continue;
    patcher.wrap('norm', { include: [path] }, () => (x, next, t) => watch(t, path, next(x)));
  }
});

/** The same tensors, rounded to what a type of 16 bits holds. */
export function rounded(source: TensorSource, dtype: 'F16' | 'BF16'): TensorSource {
  return {
    names: () => source.names(),
    get(name) {
      const tensor = source.get(name);
      return tensor && { ...tensor, dtype, read: async () => fromFloat32(dtype, await readFloat32(tensor)) };
    },
  };
}

/** A recorded tensor as float32. */
export async function recorded(source: TensorSource, name: string): Promise<Float32Array> {
  const tensor = source.get(name);
  if (tensor === undefined) throw new TunesmithError('FILE_INVALID', `the fixture has no ${name}`);
  return readFloat32(tensor);
}

/** A recorded tensor of token ids, positions or segments. */
export async function recordedIntegers(source: TensorSource, name: string): Promise<HostTensor> {
  const data = Int32Array.from(await recorded(source, name));
  return { dtype: 'int32', shape: source.get(name)?.shape ?? [], data };
}

/** `ids`, positions that count from 0 in every row, and what is recorded of padding and pairs. */
export async function recordedInputs(source: TensorSource): Promise<FamilyInputs> {
  const ids = await recordedIntegers(source, 'input_ids');
  const length = ids.shape[1] ?? 0;
  const given = async (name: string): Promise<HostTensor | undefined> =>
    source.get(name) === undefined ? undefined : await recordedIntegers(source, name);
  const [segments, tokenTypes] = [await given('attention_mask'), await given('token_type_ids')];
  const [sourceIds, sourceSegments] = [await given('source_ids'), await given('source_mask')];
  return {
    ids,
    positions: { ...ids, dtype: 'int32', data: ids.data.map((_, index) => index % length) as Int32Array },
    ...(segments === undefined ? {} : { segments }),
    ...(tokenTypes === undefined ? {} : { tokenTypes }),
    ...(sourceIds && sourceSegments && { sourceIds, sourceSegments }),
  };
}

/** An output `[rows, length, …]`, of the tokens or of the source, with zeros at the padding; any other as it is. */
export function withoutPadding(output: HostTensor | undefined, inputs: FamilyInputs): HostTensor | undefined {
  const segments = [inputs.segments, inputs.sourceSegments].find(
    (each) => output?.shape.length === 3 && each?.shape[0] === output.shape[0] && each?.shape[1] === output.shape[1],
  );
  if (output === undefined || segments === undefined) return output;
  const width = output.shape[2] as number;
  const data = Float32Array.from(output.data as Float32Array, (value, index) =>
    segments.data[Math.floor(index / width)] === 0 ? 0 : value,
  );
  return { dtype: 'float32', shape: output.shape, data };
}

/** max |actual − expected| / max |expected|, or over `floor` where that is larger; infinite where their sizes differ. */
export function relativeError(
  actual: HostTensor | undefined,
  expected: Float32Array,
  floor = Number.MIN_VALUE,
): number {
  if (actual === undefined || actual.data.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  for (const [index, value] of expected.entries()) {
    difference = Math.max(difference, Math.abs((actual.data[index] as number) - value));
  }
  return difference / Math.max(floor, largestMagnitude(expected));
}

export function largestMagnitude(values: Float32Array): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}
