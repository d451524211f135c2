/** A program is a pure function in TensorFlow.js ops: one backend compiles it, the other runs it op by op. */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { type Program, tf } from '@tunesmith/core';

/** One step of linear regression: w := w − rate · dL/dw, L = mean (x·w − y)². */
const step: Program = {
  name: 'regression',
  inputs: {
    x: { shape: [4, 2], dtype: 'float32' },
    y: { shape: [4, 1], dtype: 'float32' },
    rate: { shape: [], dtype: 'float32' },
  },
  body(io) {
    const loss = (w: tf.Tensor) => tf.mean(tf.square(tf.sub(tf.matMul(io.input('x'), w), io.input('y'))));
    const { value, grad } = tf.valueAndGrad(loss)(io.read('w'));
    return { outputs: { loss: value }, updates: { w: tf.sub(io.read('w'), tf.mul(grad, io.input('rate'))) } };
  },
};

const float32 = (shape: number[], ...values: number[]) => ({
  ...{ dtype: 'float32' as const, shape },
  data: Float32Array.from(values),
});
const inputs = {
  x: float32([4, 2], 0, 1, 1, 0, 1, 1, 2, 1),
  y: float32([4, 1], -1, 3, 2, 5), // y = 3·x₀ − x₁
  rate: float32([], 0.2),
};

for (const backend of [createOnnxBackend(), await createTfjsBackend({ prefer: 'cpu' })]) {
  const store = backend.createStore();
  store.set('w', float32([2, 1], 0, 0));
  const executable = await backend.compile(step, store);
  let loss = Number.NaN;
  for (let count = 0; count < 60; count++) loss = (await executable.run(inputs)).loss?.data[0] ?? Number.NaN;
  const weights = Array.from((await store.get('w')).data, (weight) => weight.toFixed(4)).join(' ');
  console.log(`${backend.name}  loss ${loss.toExponential(2)}  w ${weights}`);
  await executable.dispose();
  store.dispose();
}
