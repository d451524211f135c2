import type { Backend, HostTensor } from '../program/backend.js';
import type { Program } from '../program/program.js';
import { tf } from '../tensor/tfjs.js';

const size = 768;

/** Floating-point operations a second of a plain matrix product on a backend, the best of a few: about a second's work. */
export async function matmulRate(backend: Backend): Promise<number> {
  const store = backend.createStore();
  const square: HostTensor = { dtype: 'float32', shape: [size, size], data: new Float32Array(size * size).fill(0.5) };
  store.set('a', square);
  const program: Program = {
    name: 'matmul rate',
    inputs: {},
    body(io) {
      const a = io.read('a');
      let product = a;
      for (let index = 0; index < 8; index++) product = tf.mul(tf.matMul(product, a), 1 / size);
      return { outputs: { sum: tf.sum(product) } };
    },
  };
  const executable = await backend.compile(program, store);
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 6; run++) {
    const started = performance.now();
    await executable.run({});
    best = Math.min(best, (performance.now() - started) / 1000);
  }
  await executable.dispose();
  store.dispose();
  return (8 * 2 * size ** 3) / best;
}
