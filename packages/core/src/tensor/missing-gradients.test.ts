import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Tensor, tf } from './tfjs.js';

beforeAll(() => tf.setBackend('cpu'));

async function gradient(f: (x: Tensor) => Tensor, x: Tensor): Promise<number[]> {
  return [
    ...(await tf
      .grad((each) => tf.sum(f(each)))(x)
      .data()),
  ];
}

const sequence = (shape: [number, number]): Tensor => tf.reshape(tf.range(1, 1 + shape[0] * shape[1]), shape);

describe('gradients that tfjs lacks', () => {
  it('passes a step function by', async () => {
    const x = tf.tensor1d([-1, 2, 3, -4]);
    const mask = (each: Tensor): Tensor =>
      tf.logicalOr(tf.greater(each, 2), tf.logicalNot(tf.lessEqual(tf.neg(each), 0)));
    expect(await gradient((each) => tf.where(mask(each), tf.square(each), each), x)).toEqual([-2, 1, 6, -8]);
  });

  it('scatters the gradient of gatherND, adding what is taken twice', async () => {
    const indices = tf.tensor2d(
      [
        [1, 0],
        [0, 2],
        [1, 0],
      ],
      [3, 2],
      'int32',
    );
    const factor = tf.tensor1d([1, 10, 100]);
    expect(await gradient((x) => tf.mul(tf.gatherND(x, indices), factor), sequence([2, 3]))).toEqual([
      0, 0, 10, 101, 0, 0,
    ]);
  });

  it('gathers the gradient of scatterND', async () => {
    const indices = tf.tensor2d([[4], [1]], [2, 1], 'int32');
    const factor = tf.tensor1d([1, 2, 3, 4, 5]);
    expect(await gradient((x) => tf.mul(tf.scatterND(indices, x, [5]), factor), tf.tensor1d([7, 8]))).toEqual([5, 2]);
  });

  it('puts the gradient of a strided slice where the elements came from', async () => {
    const take = (x: Tensor): Tensor => tf.stridedSlice(x, [1, 3], [3, 0], [1, -2]);
    const factor = tf.tensor2d([
      [1, 2],
      [3, 4],
    ]);
    expect(await gradient((x) => tf.mul(take(x), factor), sequence([3, 4]))).toEqual([
      0, 0, 0, 0, 0, 2, 0, 1, 0, 4, 0, 3,
    ]);
  });

  it('puts the gradient of topk where the values came from', async () => {
    const x = tf.tensor2d([
      [3, 9, 5],
      [8, 1, 7],
    ]);
    const factor = tf.tensor2d([
      [1, 2],
      [3, 4],
    ]);
    expect(await gradient((each) => tf.mul(tf.topk(each, 2).values, factor), x)).toEqual([0, 1, 2, 3, 0, 4]);
  });

  it('sums over the batches that shared one factor of a product', async () => {
    const shared = tf.reshape(sequence([2, 2]), [1, 2, 2]);
    const batches = tf.reshape(sequence([3, 4]), [3, 2, 2]);
    const ofShared = await gradient((x) => tf.matMul(x, batches), shared);
    expect(ofShared).toEqual([33, 45, 33, 45]); // 1+2 + 5+6 + 9+10 and 3+4 + 7+8 + 11+12, for either row
    expect(await gradient((x) => tf.matMul(x, shared as never), batches)).toEqual([3, 7, 3, 7, 3, 7, 3, 7, 3, 7, 3, 7]);
  });

  it('refuses a product whose batches broadcast both ways', () => {
    const a = tf.ones([2, 1, 2, 2]);
    const b = tf.ones([1, 2, 2, 2]);
    expect(() => tf.grad((x) => tf.sum(tf.matMul(x as never, b)))(a)).toThrow(/SHAPE_MISMATCH/);
  });
});
