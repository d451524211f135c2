import {
  type Backend,
  collateRows,
  createTrace,
  type HostTensor,
  type Model,
  type ModelRun,
  type Named,
  type ParameterStore,
  type Program,
  type Row,
  type Shape,
  seq2seq,
  type Tensor,
  tf,
  tokenColumns,
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

/** Logits `[rows, length, vocabulary]` of answers of one length, behind what encoder and methods read before them. */
export function answerLogitsOf(parts: ParityModel, rows: readonly Row[]): Computed {
  const options = { rows: rows.length, maxLength: 64, padToken: 0 };
  const { columns } = collateRows(parts.model, seq2seq, rows, options);
  const length = rows[0]?.tokens.length ?? 0;
  const read = Object.fromEntries(Object.entries(columns).filter(([, { dtype }]) => dtype === 'int32'));
  return computeFrom(parts, read, (run) => tf.slice(run.logits(), [0, 0, 0], [rows.length, length, -1]));
}

function compute(
  parts: ParityModel,
  ids: ArrayLike<number>,
  shape: readonly [number, number],
  what: (run: ModelRun) => Tensor,
): Computed {
  const column = (data: Int32Array): HostTensor => ({ dtype: 'int32', shape, data });
  const positions = Int32Array.from({ length: ids.length }, (_, index) => index % shape[1]);
  return computeFrom(parts, { ids: column(Int32Array.from(ids)), positions: column(positions) }, what);
}

async function computeFrom(
  { model, parameters, backend }: ParityModel,
  columns: Named<HostTensor>,
  what: (run: ModelRun) => Tensor,
): Computed {
  const program: Program = {
    name: 'logits',
    inputs: Object.fromEntries(Object.entries(columns).map(([name, { shape }]) => [name, { shape, dtype: 'int32' }])),
    body(io) {
      const read = (handle: Parameters<ParameterStore['readIn']>[1]) => parameters.readIn(io, handle);
      const t = createTrace(io, {
        training: false,
        resolve: model.resolve,
        read,
        encoded: (handle) => parameters.encodedIn(io, handle),
      });
      const inputs = Object.fromEntries(Object.keys(columns).map((name) => [name, io.input(name)]));
      return { outputs: { logits: what(model.run(t, tokenColumns(inputs))) } };
    },
  };
  const executable = await backend.compile(program, parameters.tensors);
  const { logits } = await executable.run(columns);
  await executable.dispose();
  return { shape: logits?.shape ?? [], data: logits?.data as Float32Array };
}
