import {
  type Backend,
  createTrace,
  type HostTensor,
  type Model,
  type ModelRun,
  type ParameterStore,
  type Program,
  type Shape,
  type Tensor,
  tf,
} from '@tunesmith/core';

/** A model and where its values lie. */
export interface ParityModel {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly backend: Backend;
}

type Computed = Promise<{ shape: Shape; data: Float32Array }>;

/** Logits `[rows, length, vocabulary]` of token ids `[rows, length]`, without dropout. */
export function logitsOf(parts: ParityModel, ids: ArrayLike<number>, shape: readonly [number, number]): Computed {
  return compute(parts, ids, shape, (run) => run.logits());
}

/** A classifier's logits `[rows, labels]` of whole sequences. */
export function scoresOf(parts: ParityModel, ids: ArrayLike<number>, shape: readonly [number, number]): Computed {
  const last = Int32Array.from({ length: shape[0] }, (_, row) => (row + 1) * shape[1] - 1);
  return compute(parts, ids, shape, (run) => run.scores(tf.tensor1d(last, 'int32')));
}

async function compute(
  { model, parameters, backend }: ParityModel,
  ids: ArrayLike<number>,
  shape: readonly [number, number],
  what: (run: ModelRun) => Tensor,
): Computed {
  const spec = { shape, dtype: 'int32' as const };
  const program: Program = {
    name: 'logits',
    inputs: { ids: spec, positions: spec },
    body(io) {
      const read = (handle: Parameters<ParameterStore['readIn']>[1]) => parameters.readIn(io, handle);
      const t = createTrace(io, {
        training: false,
        resolve: model.resolve,
        read,
        encoded: (handle) => parameters.encodedIn(io, handle),
      });
      return { outputs: { logits: what(model.run(t, { ids: io.input('ids'), positions: io.input('positions') })) } };
    },
  };
  const column = (data: Int32Array): HostTensor => ({ dtype: 'int32', shape, data });
  const positions = Int32Array.from({ length: ids.length }, (_, index) => index % shape[1]);
  const executable = await backend.compile(program, parameters.tensors);
  const { logits } = await executable.run({ ids: column(Int32Array.from(ids)), positions: column(positions) });
  await executable.dispose();
  return { shape: logits?.shape ?? [], data: logits?.data as Float32Array };
}
