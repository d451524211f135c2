import {
  type Backend,
  createTrace,
  type HostTensor,
  type Model,
  type ParameterStore,
  type Program,
  type Shape,
} from '@tunesmith/core';

/** A model and where its values lie. */
export interface ParityModel {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly backend: Backend;
}

/** Logits `[rows, length, vocabulary]` of token ids `[rows, length]`, without dropout. */
export async function logitsOf(
  { model, parameters, backend }: ParityModel,
  ids: ArrayLike<number>,
  shape: readonly [number, number],
): Promise<{ shape: Shape; data: Float32Array }> {
  const spec = { shape, dtype: 'int32' as const };
  const program: Program = {
    name: 'logits',
    inputs: { ids: spec, positions: spec },
    body(io) {
      const read = (handle: Parameters<ParameterStore['readIn']>[1]) => parameters.readIn(io, handle);
      const t = createTrace(io, { training: false, resolve: model.resolve, read });
      return { outputs: { logits: model.run(t, { ids: io.input('ids'), positions: io.input('positions') }).logits() } };
    },
  };
  const column = (data: Int32Array): HostTensor => ({ dtype: 'int32', shape, data });
  const positions = Int32Array.from({ length: ids.length }, (_, index) => index % shape[1]);
  const executable = await backend.compile(program, parameters.tensors);
  const { logits } = await executable.run({ ids: column(Int32Array.from(ids)), positions: column(positions) });
  await executable.dispose();
  return { shape: logits?.shape ?? [], data: logits?.data as Float32Array };
}
