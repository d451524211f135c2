import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { defineOp } from './define-op.js';
import { tf } from './tfjs.js';

const weightedSquare = defineOp<{ factor: number }>({
  name: 'TestWeightedSquare',
  outputs: 2,
  compose: ([x, weight], { factor }) => {
    const square = tf.mul(tf.square(x as never), factor);
    return [tf.mul(square, weight as never), square];
  },
  gradient: ([dy, dySquare], [x, weight], [, square], { factor }) => [
    () => tf.mul(tf.mul(x as never, 2 * factor), tf.add(tf.mul(dy as never, weight as never), dySquare as never)),
    () => tf.mul(dy as never, square as never),
  ],
});

describe('defineOp', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('gives every listed input its gradient, through each output', async () => {
    const x = tf.tensor1d([1, 2, 3]);
    const weight = tf.tensor1d([2, -1, 4]);
    const loss = (a: typeof x, b: typeof x) => {
      const [product, square] = weightedSquare([a, b], { factor: 0.5 });
      return tf.sum(tf.add(product as typeof x, tf.mul(square as typeof x, 10))) as never;
    };
    const [dx, dWeight] = tf.grads(loss)([x, weight]);
    expect([...((await dx?.data()) ?? [])]).toEqual([12, 18, 42]);
    expect([...((await dWeight?.data()) ?? [])]).toEqual([0.5, 2, 4.5]);
  });
});
