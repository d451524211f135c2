import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { defineOp } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

const weightedSquare = defineOp<{ factor: number }, readonly [Tensor, Tensor], readonly [Tensor, Tensor]>({
  name: 'TestWeightedSquare',
  outputCount: 2,
  compose: ([x, weight], { factor }) => {
    const square = tf.mul(tf.square(x), factor);
    return [tf.mul(square, weight), square];
  },
  gradient: ([dy, dySquare], [x, weight], [, square], { factor }) => [
    () => tf.mul(tf.mul(x, 2 * factor), tf.add(tf.mul(dy, weight), dySquare)),
    () => tf.mul(dy, square),
  ],
});

describe('defineOp', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('gives every listed input its gradient, through each output', async () => {
    const x = tf.tensor1d([1, 2, 3]);
    const weight = tf.tensor1d([2, -1, 4]);
    const loss = (a: Tensor, b: Tensor): Tensor => {
      const [product, square] = weightedSquare([a, b], { factor: 0.5 });
      return tf.sum(tf.add(product, tf.mul(square, 10)));
    };
    const [dx, dWeight] = tf.grads(loss as never)([x, weight]);
    expect([...((await dx?.data()) ?? [])]).toEqual([12, 18, 42]);
    expect([...((await dWeight?.data()) ?? [])]).toEqual([0.5, 2, 4.5]);
  });
});
