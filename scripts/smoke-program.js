// Runs inside the empty project of smoke.ts: imports each package named on the command line, then takes the same gradient
// step with both backends.
import { ok, strictEqual } from 'node:assert/strict';

for (const method of ['log', 'info', 'warn', 'error'])
  console[method] = (...text) => {
    throw new Error(`Libraries print nothing, but one printed: ${text.join(' ')}`);
  };

for (const name of process.argv.slice(2)) {
  if (name === '@tunesmith/testing') continue; // it loads inside vitest only
  await import(name);
}

const { tf } = await import('@tunesmith/core');
const { createOnnxBackend } = await import('@tunesmith/backend-onnx');
const { createTfjsBackend } = await import('@tunesmith/backend-tfjs');

/** w := w − dL/dw, L = Σ f(w)² with f(w) = w² where w > 1, else w. The comparison's gradient is one that core adds to tfjs. */
const program = {
  name: 'one step',
  inputs: { learningRate: { shape: [], dtype: 'float32' } },
  body: (io) => {
    const loss = (w) => tf.sum(tf.square(tf.where(tf.greater(w, 1), tf.square(w), w)));
    const { value, grad } = tf.valueAndGrad(loss)(io.read('w'));
    return { outputs: { loss: value }, updates: { w: tf.sub(io.read('w'), tf.mul(grad, io.input('learningRate'))) } };
  },
};

for (const backend of [createOnnxBackend({ threads: 1 }), await createTfjsBackend({ prefer: 'cpu' })]) {
  const store = backend.createStore();
  store.set('w', { dtype: 'float32', shape: [3], data: Float32Array.of(0.5, 1, 2) });
  const executable = await backend.compile(program, store);
  const learningRate = { dtype: 'float32', shape: [], data: Float32Array.of(0.125) };
  const { loss } = await executable.run({ learningRate });
  ok(Math.abs(loss.data[0] - 17.25) < 1e-5, `${backend.name}: the loss is ${loss.data[0]}, not 17.25`);
  strictEqual((await store.get('w')).data.join(), '0.375,0.75,-2', backend.name);
  await executable.dispose();
  store.dispose();
}
