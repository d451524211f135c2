import {
  attentionMask,
  type Backend,
  buildModel,
  createParameterStore,
  createTrace,
  type Family,
  fromFloat32,
  type HostTensor,
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
import { type FamilyFixture, patchOnly } from './family-case.js';

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
  }: { methods?: readonly Method[] | undefined; dtype?: WeightDtype | undefined } = {},
): Promise<LoadedModel> {
  const model = buildModel({ family, config: family.parseConfig(config), methods });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, weights, parameters, { dtype });
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
  readonly segments?: HostTensor;
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
    ...(segments === undefined ? {} : { mask: attentionMask(segments, segments) }),
    ...options,
  });
  return { t, columns: { ids: io.input('ids'), positions: io.input('positions') } };
}

/** The logits at every position, and whatever the model's methods observe. */
export function forwardProgram(loaded: LoadedModel, inputs: FamilyInputs): Program {
  return {
    name: 'forward',
    inputs: inputSpecs(inputs),
    body(io) {
      const { t, columns } = openRun(io, loaded, inputs);
      const logits = loaded.model.run(t, columns).logits();
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

/** `ids` and positions that count from 0 in every row. */
export async function recordedInputs(source: TensorSource): Promise<FamilyInputs> {
  const ids = await recordedIntegers(source, 'input_ids');
  const length = ids.shape[1] ?? 0;
  return { ids, positions: { ...ids, dtype: 'int32', data: ids.data.map((_, index) => index % length) as Int32Array } };
}

/** max |actual − expected| / max |expected|, infinite where their sizes differ. */
export function relativeError(actual: HostTensor | undefined, expected: Float32Array): number {
  if (actual === undefined || actual.data.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let largest = 0;
  for (const [index, value] of expected.entries()) {
    difference = Math.max(difference, Math.abs((actual.data[index] as number) - value));
    largest = Math.max(largest, Math.abs(value));
  }
  return difference / largest;
}
