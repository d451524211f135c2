import { expect, it } from 'vitest';
import '@tensorflow/tfjs-backend-cpu';
import { tf } from './tfjs.js';

it('has gradients', async () => {
  await tf.setBackend('cpu');
  const g = tf.grad((x) => tf.sum(tf.square(x)))(tf.tensor1d([1, 2]));
  expect([...(await g.data())]).toEqual([2, 4]);
});
