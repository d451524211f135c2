/** Adapters on one tiny base, with values that show: what the tests of adapters beside each other run. */
import {
  type ActiveAdapters,
  type AdapterMethods,
  type Backend,
  buildModel,
  createParameterStore,
  createTokenGenerator,
  createTrace,
  elementCount,
  type GenerateOptions,
  type Handle,
  type HostTensor,
  initialiseHandles,
  type Method,
  type Model,
  type ModelRun,
  type Named,
  type ParameterStore,
  randomKey,
  randomNormal,
  type Tensor,
  tf,
} from '@tunesmith/core';
import type { TinyModelCase } from '@tunesmith/testing';

export interface TinyAdapters {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly backend: Backend;
}

export interface TinyAdapterOptions {
  readonly methods?: readonly Method[];
  readonly adapters?: AdapterMethods;
  /** An adapter's values depend on what it is called here; its own name if not said. */
  readonly valuesOf?: (owner: string) => string;
}

/** Builds a model whose every value, adapters' included, is drawn by its path and its adapter's name alone. */
export async function tinyAdapters(
  { family, config, objective }: TinyModelCase,
  backend: Backend,
  { methods = [], adapters = {}, valuesOf = (owner) => owner }: TinyAdapterOptions,
): Promise<TinyAdapters> {
  const head = objective === undefined ? {} : { task: objective.task ?? 'causal-lm', labels: objective.labels ?? 1 };
  const model = buildModel({ family, config: family.parseConfig(config), methods, adapters, ...head });
  const parameters = createParameterStore(backend.createStore());
  const write = async (handle: Handle): Promise<void> =>
    parameters.write(handle, valuesFor(handle, valuesOf(handle.owner)));
  for (const handle of model.handles) if (handle.owner === 'base') await write(handle);
  // Buffers are as their method makes them.
  await initialiseHandles(parameters, model.handles, 1);
  for (const handle of model.handles) if (handle.owner !== 'base' && handle.kind === 'parameter') await write(handle);
  return { model, parameters, backend };
}

/** Near 1 for what scales, spread around 0 otherwise. */
function valuesFor({ path, shape, owner }: Handle, name = owner): Float32Array {
  const random = randomKey(3, name, path);
  const isScale = shape.length === 1 ? path.endsWith('.weight') : path.endsWith('ia3_l');
  return Float32Array.from(
    { length: elementCount(shape) },
    (_, index) => (isScale ? 1 : 0) + (isScale ? 0.2 : 0.25) * randomNormal(random, index),
  );
}

/** Logits `[length, vocabulary]` of each row; or `[vocabulary]` of each position, an index into all rows' tokens. */
export async function logitsUnder(
  { model, parameters, backend }: TinyAdapters,
  prompts: readonly (readonly number[])[],
  stacks: ActiveAdapters['stacks'],
  stackOfRow: readonly number[] = prompts.map(() => 0),
  positions?: readonly number[],
  read: (run: ModelRun, positions: Tensor | undefined) => Tensor = (run, at) => run.logits(at),
): Promise<Float32Array[]> {
  const length = prompts[0]?.length ?? 0;
  const rows = prompts.length;
  const int32 = (shape: readonly number[], data: readonly number[]): HostTensor => ({
    dtype: 'int32',
    shape,
    data: Int32Array.from(data),
  });
  const inputs: Named<HostTensor> = {
    ids: int32([rows, length], prompts.flat()),
    positions: int32(
      [rows, length],
      prompts.flatMap((prompt) => prompt.map((_, index) => index)),
    ),
    rows: int32([stackOfRow.length], stackOfRow),
  };
  const executable = await backend.compile(
    {
      name: 'logits',
      inputs: Object.fromEntries(
        Object.entries(inputs).map(([name, { shape }]) => [name, { shape, dtype: 'int32' as const }]),
      ),
      body(io) {
        const t = createTrace(io, {
          training: false,
          adapters: { stacks, ...(stacks.length > 1 && { rows: io.input('rows') }) },
          resolve: model.resolve,
          read: (handle) => parameters.readIn(io, handle),
        });
        const run = model.run(t, { ids: io.input('ids'), positions: io.input('positions') });
        return { outputs: { logits: read(run, positions && tf.tensor1d([...positions], 'int32')) } };
      },
    },
    parameters.tensors,
  );
  try {
    const { logits } = await executable.run(inputs);
    const data = logits?.data as Float32Array;
    const parts = positions ?? prompts;
    const size = data.length / parts.length;
    return parts.map((_, row) => data.slice(row * size, (row + 1) * size));
  } finally {
    await executable.dispose();
  }
}

/** Greedy answers of 12 tokens. */
export async function answers(
  { model, parameters, backend }: TinyAdapters,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions = {},
): Promise<number[][]> {
  const generator = createTokenGenerator({ model, parameters, backend, eosTokens: [], padToken: 0 });
  const tokens: number[][] = prompts.map(() => []);
  try {
    for await (const { row, token } of generator.generate(prompts, { maxNewTokens: 12, ...options })) {
      tokens[row]?.push(token);
    }
  } finally {
    await generator.dispose();
  }
  return tokens;
}
