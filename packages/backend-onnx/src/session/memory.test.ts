import '@tensorflow/tfjs-backend-cpu';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { linear, type Program, type Tensor, tf } from '@tunesmith/core';
import { expect, it } from 'vitest';
import { createOnnxBackend } from '../index.js';

const side = 2048;
const megabytes = (side * side * 4) / 2 ** 20;

/** Reads, updates beside the old value, and computes with a constant, each of 16 MiB. */
const program: Program = {
  name: 'sizeable',
  inputs: {},
  body: (io) => {
    const matrix = io.read('matrix');
    const constant = tf.tensor2d(new Float32Array(side * side).fill(1, 1), [side, side]);
    return { outputs: { sum: tf.sum(tf.mul(tf.tanh(matrix), constant)) }, updates: { matrix: tf.mul(matrix, 0.5) } };
  },
};

/** The least of several readings: arrays outside V8's heap are freed by tasks that run some time after a collection. */
async function residentMegabytes(): Promise<number> {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  let least = Number.POSITIVE_INFINITY;
  for (let reading = 0; reading < 10; reading++) {
    collect();
    await setTimeout(30);
    least = Math.min(least, process.memoryUsage().rss / 2 ** 20);
  }
  return least;
}

it('returns the memory of twenty executables and their stores', { timeout: 120_000 }, async () => {
  const backend = createOnnxBackend({ threads: 1 });
  const rounds = async (count: number): Promise<number> => {
    for (let index = 0; index < count; index++) {
      const store = backend.createStore();
      store.set('matrix', { dtype: 'float32', shape: [side, side], data: new Float32Array(side * side).fill(1e-3) });
      const executable = await backend.compile(program, store);
      await executable.run({});
      await executable.dispose();
      store.dispose();
    }
    return residentMegabytes();
  };
  // What malloc keeps for later varies by some arrays from reading to reading; a leak grows in every window, and one of a
  // single array a round by 320 MiB.
  const growths: number[] = [];
  let before = await rounds(10);
  for (let window = 0; window < 3; window++) {
    const after = await rounds(20);
    growths.push(after - before);
    before = after;
  }
  expect(Math.min(...growths)).toBeLessThan(8 * megabytes);
});

it.each(['float16', 'bfloat16'] as const)('keeps %s weights 16 bits wide, forward and backward', async (dtype) => {
  const backend = createOnnxBackend({ threads: 1 });
  const [size, layers] = [1024, 24];
  const before = await residentMegabytes();
  const store = backend.createStore();
  for (let layer = 0; layer < layers; layer++) {
    // About 1/1000, by its bits.
    const data = new Uint16Array(size * size).fill(dtype === 'float16' ? 0x1419 : 0x3a83);
    store.set(`w${layer}`, { dtype, shape: [size, size], data });
  }
  const x = { shape: [16, size], dtype: 'float32' } as const;
  const product = (h: Tensor, w: Tensor): Tensor => tf.add(tf.tanh(linear(h, w)), 1);
  const body: Program['body'] = (io) => {
    const forward = (input: Tensor): Tensor => {
      let h = input;
      for (let layer = 0; layer < layers; layer++) h = product(h, io.read(`w${layer}`));
      return tf.sum(h);
    };
    return { outputs: { slope: tf.sum(tf.grad(forward)(io.input('x'))) } };
  };
  const executable = await backend.compile({ name: 'deep', inputs: { x }, body }, store);
  const data = new Float32Array(16 * size).fill(1);
  expect((await executable.run({ x: { ...x, data } })).slope?.data[0]).toBeGreaterThan(0);
  // 48 MiB of weights, one of them at a time as float32; all of them would be 96 MiB more.
  expect((await residentMegabytes()) - before).toBeLessThan(layers * 2 + 28);
  await executable.dispose();
  store.dispose();
});

it('shares a stored weight between programs, without a copy in any', { timeout: 120_000 }, async () => {
  const backend = createOnnxBackend({ threads: 1 });
  const store = backend.createStore();
  // 256 MiB, so that a copy stands out from all else.
  const rows = 16 * side;
  store.set('matrix', { dtype: 'float32', shape: [rows, side], data: new Float32Array(rows * side).fill(1e-3) });
  const reader = (index: number): Program => ({
    name: `reader ${index}`,
    inputs: { x: { shape: [1, rows], dtype: 'float32' } },
    body: (io) => ({ outputs: { y: tf.mul(tf.matMul(io.input('x'), io.read('matrix')), index + 1) } }),
  });
  const x = { dtype: 'float32', shape: [1, rows], data: new Float32Array(rows).fill(1) } as const;
  const before = await residentMegabytes();
  const executables = [];
  for (let index = 0; index < 4; index++) {
    const executable = await backend.compile(reader(index), store);
    const { y } = await executable.run({ x });
    expect(y?.data[0]).toBeCloseTo((index + 1) * rows * 1e-3, 2);
    executables.push(executable);
  }
  expect((await residentMegabytes()) - before).toBeLessThan(8 * megabytes);
  for (const executable of executables) await executable.dispose();
  store.dispose();
});
