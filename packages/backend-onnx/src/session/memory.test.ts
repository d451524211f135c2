import '@tensorflow/tfjs-backend-cpu';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Program, tf } from '@tunesmith/core';
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

function residentMegabytes(): number {
  setFlagsFromString('--expose_gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().rss / 2 ** 20;
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
  const before = await rounds(5);
  // A leak of a single array a round would come to 320 MiB.
  expect((await rounds(20)) - before).toBeLessThan(8 * megabytes);
});
