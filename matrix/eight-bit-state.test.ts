/** Optimizer state in 8 bits: what it takes, how far from float32's it leads, and that runs go on as they were. */
import {
  adamw,
  type CheckpointStore,
  chain,
  clipByGlobalNorm,
  eightBitState,
  elementCount,
  estimateTraining,
  type Handle,
  sft,
  type TrainerCheckpoint,
} from '@tunesmith/core';
import { full } from '@tunesmith/selective';
import { rowSource, type TinyModel, tinyModel, tinyRows, tinyTrainer, trainTiny } from '@tunesmith/testing';
import { expect, it } from 'vitest';
import { backends } from './backends.js';
import { tinyLlama } from './tiny-families.js';

/** Matrices of 4,096, 6,144 and, with a last block that is not full, 4,288 elements; others, and norms, have fewer. */
const config = {
  ...tinyLlama.config,
  ...{ vocab_size: 67, hidden_size: 64, intermediate_size: 96, num_hidden_layers: 2 },
};
const rounded = () => chain(clipByGlobalNorm(1), eightBitState(adamw()));
const plain = () => chain(clipByGlobalNorm(1), adamw());
const open = async (backend: keyof typeof backends = 'onnx-cpu'): Promise<TinyModel> =>
  tinyModel({ ...tinyLlama, config }, [full()], await backends[backend]());

async function values({ model, parameters }: TinyModel): Promise<Float32Array> {
  const each = await Promise.all(model.trained.map((handle) => parameters.read(handle)));
  return Float32Array.from(each.flatMap((array) => [...array]));
}

const bytesOf = (handles: readonly Handle[], rounds: boolean): number =>
  handles.reduce((sum, { shape }) => {
    const size = elementCount(shape);
    const blocks = Math.ceil(size / 256);
    return sum + 2 * (rounds && size >= 4096 ? blocks * (256 + 4) : 4 * size);
  }, 0);

it('takes a byte a value and a magnitude for 256 of them, as planned', async () => {
  const tiny = await open();
  const trainer = await tinyTrainer(tiny, { optimizer: rounded() });
  const { tensors } = tiny.parameters;
  const names = tensors.names().filter((name) => name.startsWith('optimizer/'));
  const held = (await Promise.all(names.map((name) => tensors.get(name)))).reduce(
    (sum, { data }) => sum + data.byteLength,
    0,
  );
  await trainer.dispose();
  expect(held).toBe(bytesOf(tiny.model.trained, true));
  expect(held).toBeLessThan(0.4 * bytesOf(tiny.model.trained, false));
  const options = { model: tiny.model, backend: tiny.backend, objective: sft, batchSize: 2, length: 8 };
  expect((await estimateTraining({ ...options, optimizer: rounded() })).optimizerBytes).toBe(held);
});

it('leads to within 5 % of where float32 leads, by losses within 5 % of its', async () => {
  const [eight, exact, start] = [await open(), await open(), await open()];
  const rows = rowSource(tinyRows(start.model, 16));
  const options = { steps: 60, rows, learningRate: 2e-3 };
  const losses = await trainTiny(eight, { ...options, optimizer: rounded() });
  const expected = await trainTiny(exact, { ...options, optimizer: plain() });
  const [got, aim, from] = [await values(eight), await values(exact), await values(start)];
  const distance = (a: Float32Array, b: Float32Array): number =>
    Math.sqrt(a.reduce((sum, value, index) => sum + (value - (b[index] as number)) ** 2, 0));
  // How far it ends from float32's end, of the way that this has gone.
  expect(distance(got, aim) / distance(aim, from)).toBeLessThan(0.05);
  expect(expected.at(-1)).toBeLessThan(0.01 * (expected[0] as number));
  for (const [step, loss] of losses.entries())
    expect(Math.abs(loss / (expected[step] as number) - 1)).toBeLessThan(0.05);
});

it.each([
  ['at once', 1],
  ['over micro-batches', 2],
])('goes on from a checkpoint bit by bit (%s)', async (_, gradientAccumulation) => {
  const saved: TrainerCheckpoint[] = [];
  const checkpoints: CheckpointStore = { save: async (checkpoint) => void saved.push(structuredClone(checkpoint)) };
  const options = { steps: 6, gradientAccumulation, optimizer: rounded() };
  const whole = await open();
  await trainTiny(whole, { ...options, checkpoints });
  const again = await open();
  const trainer = await tinyTrainer(again, options);
  await trainer.restore(saved[2] as TrainerCheckpoint);
  for await (const _event of trainer.run());
  await trainer.dispose();
  expect(await values(again)).toEqual(await values(whole));
  const [codes] = (saved[2] as TrainerCheckpoint).tensors.filter(({ name }) => name.includes('.codes/'));
  expect(codes?.data).toBeInstanceOf(Uint8Array);
});

it('is the same on another backend', async () => {
  const [compiled, eager] = [await open(), await open('tfjs-cpu')];
  const losses = await trainTiny(compiled, { optimizer: rounded() });
  const expected = await trainTiny(eager, { optimizer: rounded() });
  expect(losses.map((loss, index) => Math.abs(loss / (expected[index] as number) - 1) < 1e-5)).not.toContain(false);
});
