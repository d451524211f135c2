import { type Backend, type Program, tf } from '@tunesmith/core';

/** A product and a sum: enough that a device has to compute. */
const program: Program = {
  name: 'probe',
  inputs: { x: { shape: [2, 2], dtype: 'float32' } },
  body: (io) => ({ outputs: { y: tf.add(tf.matMul(io.input('x') as never, io.read('w') as never), 1) } }),
};

/** Runs a tiny program on a backend, to see that it computes. Resolves to the milliseconds that it took. */
export async function probeBackend(backend: Backend): Promise<number> {
  const started = performance.now();
  const store = backend.createStore();
  store.set('w', { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
  const executable = await backend.compile(program, store);
  try {
    const x = { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 0, 0, 1) } as const;
    const { y } = await executable.run({ x });
    if (String(y?.data) !== '2,3,4,5') throw new Error(`it computes ${y?.data} where 2,3,4,5 is right`);
    return performance.now() - started;
  } finally {
    await executable.dispose();
    store.dispose();
  }
}
