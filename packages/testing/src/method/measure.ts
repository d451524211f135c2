import {
  addVirtualTokens,
  collateRows,
  createTrace,
  type HostTensor,
  type Model,
  type Named,
  type Program,
  sft,
  type Tensor,
  tf,
} from '@tunesmith/core';
import { type TinyModel, tinyRows } from './tiny-run.js';

/** Two rows of ten tokens, behind what the methods put before a text. */
function probeInputs(model: Model): Named<HostTensor> {
  const rows = [0, 1].map((row) => {
    const token = (index: number): number => ((10 * row + index) * 7 + 3) % model.shape.vocabularySize;
    const tokens = Int32Array.from({ length: 10 }, (_, index) => token(index));
    return addVirtualTokens(model, { tokens, weights: new Float32Array(10) }).tokens;
  });
  const length = 10 + model.virtualTokens.length;
  const int32 = (value: (row: number, index: number) => number): HostTensor => ({
    dtype: 'int32',
    shape: [2, length],
    data: Int32Array.from({ length: 2 * length }, (_, flat) => value(Math.floor(flat / length), flat % length)),
  });
  return { ids: int32((row, index) => rows[row]?.[index] as number), positions: int32((_, index) => index) };
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

/** Logits [2, 10, vocabulary] for fixed token ids, without dropout. */
export async function probeLogits(tiny: TinyModel): Promise<Float32Array> {
  const { model, parameters } = tiny;
  const inputs = probeInputs(model);
  const spec = { shape: inputs.ids?.shape as readonly number[], dtype: 'int32' as const };
  const program: Program = {
    name: 'probe',
    inputs: { ids: spec, positions: spec },
    body(io) {
      const t = createTrace(io, {
        training: false,
        resolve: model.resolve,
        read: (handle) => parameters.readIn(io, handle),
      });
      const logits = model.run(t, { ids: io.input('ids'), positions: io.input('positions') }).logits();
      return { outputs: { logits: tf.slice(logits, [0, model.virtualTokens.length, 0]) } };
    },
  };
  const { logits } = await runOnce(tiny, program, inputs);
  return logits as Float32Array;
}

/** The loss over four rows and its gradient for every trained handle, by key, without dropout. */
export async function lossAndGradients(
  tiny: TinyModel,
  { checkpointBlocks = false } = {},
): Promise<{ loss: number; gradients: Named<Float32Array> }> {
  const { model, parameters } = tiny;
  const batch = collateRows(model, sft, tinyRows(model).slice(0, 4), { rows: 4, maxLength: 16, padToken: 0 });
  const program: Program = {
    name: 'gradients',
    inputs: Object.fromEntries(
      Object.entries(batch.columns).map(([name, column]) => [
        name,
        { shape: column.shape, dtype: column.dtype as 'int32' },
      ]),
    ),
    body(io) {
      const values = model.trained.map((handle) => parameters.readIn(io, handle));
      const byKey = new Map(model.trained.map(({ key }, index) => [key, values[index] as Tensor]));
      const loss = (): Tensor => {
        const columns = Object.fromEntries(Object.keys(batch.columns).map((name) => [name, io.input(name)]));
        const t = createTrace(io, {
          training: false,
          checkpointBlocks,
          resolve: model.resolve,
          read: (handle) => byKey.get(handle.key) ?? parameters.readIn(io, handle),
        });
        const [term] = sft.losses(model, columns, t);
        return tf.div(term?.sum as Tensor, batch.normalizers.weight as number);
      };
      const { value, grads } = tf.engine().gradients(loss, values);
      const gradients = model.trained.map(({ key }, index) => [key, grads[index] as Tensor]);
      return { outputs: { loss: value, ...Object.fromEntries(gradients) } };
    },
  };
  const { loss, ...gradients } = await runOnce(tiny, program, batch.columns);
  return { loss: loss?.[0] as number, gradients };
}

/** Largest absolute difference relative to the largest magnitude. */
export function relativeError(got: Float32Array, expected: Float32Array): number {
  let worst = 0;
  let largest = Number.MIN_VALUE;
  for (let index = 0; index < expected.length; index++) {
    worst = Math.max(worst, Math.abs((got[index] as number) - (expected[index] as number)));
    largest = Math.max(largest, Math.abs(expected[index] as number));
  }
  return got.length === expected.length ? worst / largest : Number.POSITIVE_INFINITY;
}
