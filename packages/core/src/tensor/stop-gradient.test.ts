import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, expect, it } from 'vitest';
import { stopGradient } from './stop-gradient.js';
import { tf } from './tfjs.js';

beforeAll(() => tf.setBackend('cpu'));

it('is a value without a gradient', async () => {
  const x = tf.tensor1d([2, 3]);
  const f = (value: typeof x) =>
    tf.sum(
      tf.mul(
        value,
        stopGradient(() => tf.square(value)),
      ),
    );
  const { value, grad } = tf.valueAndGrad(f as never)(x);
  expect(await value.array()).toBe(35); // 2·4 + 3·9
  expect(await grad.array()).toEqual([4, 9]); // not 3x²
});
