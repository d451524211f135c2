// Runs inside the empty project of smoke.ts: imports each package named on the command line, then takes a gradient.
import { strictEqual } from 'node:assert/strict';

for (const method of ['log', 'info', 'warn', 'error'])
  console[method] = (...text) => {
    throw new Error(`Libraries print nothing, but one printed: ${text.join(' ')}`);
  };

for (const name of process.argv.slice(2)) {
  if (name === '@tunesmith/testing') continue; // it loads inside vitest only
  await import(name);
}

const { tf } = await import('@tunesmith/core');
await import('@tensorflow/tfjs-backend-cpu');
await tf.setBackend('cpu');
// The comparison's gradient is one that core adds to tfjs's own.
const gradient = tf.grad((x) => tf.sum(tf.where(tf.greater(x, 1), tf.square(x), x)))(tf.tensor1d([1, 2, 3]));
strictEqual((await gradient.data()).join(), '1,4,6');
