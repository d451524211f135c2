import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { attention } from './attention.js';
import { attentionMask } from './attention-mask.js';
import { type Tensor, tf } from './tfjs.js';

beforeAll(() => tf.setBackend('cpu'));

const values = (x: Tensor): Promise<number[]> => x.data().then((data) => [...data]);
const isVisible = (score: number): number => (score === 0 ? 1 : 0);

describe('attentionMask', () => {
  it('shows each segment to itself, padding to nobody and a prefix to everybody', async () => {
    const mask = attentionMask(
      tf.tensor2d([[1, 1, 2, 0]], [1, 4], 'int32'),
      tf.tensor2d([[-1, 1, 1, 2, 0]], [1, 5], 'int32'),
    );
    expect(mask.shape).toEqual([1, 1, 4, 5]);
    expect((await values(mask)).map(isVisible)).toEqual([
      ...[1, 1, 1, 0, 0],
      ...[1, 1, 1, 0, 0],
      ...[1, 0, 0, 1, 0],
      ...[1, 0, 0, 0, 0],
    ]);
  });
});

describe('attention', () => {
  const random = (shape: [number, number, number, number], seed: number): Tensor =>
    tf.randomNormal(shape, 0, 1, 'float32', seed);

  it('averages, without NaN, over the values of a row that may see none', async () => {
    const query = random([1, 1, 2, 4], 1);
    const value = random([1, 1, 2, 4], 2);
    const mask = attentionMask(tf.tensor2d([[1, 0]], [1, 2], 'int32'), tf.tensor2d([[1, 0]], [1, 2], 'int32'));
    const output = await values(attention({ query, key: query, value, mask }, { scale: 1, causal: false }));
    const mean = await values(tf.mean(value, 2));
    expect(output.slice(0, 4)).toEqual((await values(value)).slice(0, 4));
    for (const [index, each] of output.slice(4).entries()) expect(each).toBeCloseTo(mean[index]!, 6);
  });

  // 300 queries go in two blocks; a caller's own triangular mask takes the path without blocks.
  it.each([
    ['causal', undefined, 0],
    ['after a prefix', undefined, 7],
    ['in a window', 40, 7],
  ])('gives in blocks what it gives in one piece, %s', async (_, window, prefix) => {
    const length = 300;
    const inputs = [
      random([1, 2, length, 4], 1),
      random([1, 1, length + prefix, 4], 2),
      random([1, 1, length + prefix, 4], 3),
    ];
    const own = tf.reshape(tf.range(prefix, prefix + length, 1, 'int32'), [length, 1]);
    const other = tf.reshape(tf.range(0, prefix + length, 1, 'int32'), [1, length + prefix]);
    let visible: Tensor = tf.lessEqual(other, own);
    if (window) visible = tf.logicalAnd(visible, tf.greater(other, tf.sub(own, tf.scalar(window, 'int32'))));
    const mask = tf.reshape(tf.where(visible, tf.zerosLike(tf.cast(visible, 'float32')), -1e30), [
      1,
      1,
      length,
      length + prefix,
    ]);
    const upstream = random([1, 2, length, 4], 4);
    const run = (blocks: boolean): Tensor[] => {
      const loss = (query: Tensor, key: Tensor, value: Tensor): Tensor => {
        const output = blocks
          ? attention({ query, key, value }, { scale: 0.5, causal: true, window })
          : attention({ query, key, value, mask }, { scale: 0.5, causal: false });
        return tf.sum(tf.mul(output, upstream));
      };
      return [loss(...(inputs as [Tensor, Tensor, Tensor])), ...tf.grads(loss as never)(inputs)];
    };
    const whole = run(false);
    for (const [index, actual] of run(true).entries()) {
      const difference = await values(tf.max(tf.abs(tf.sub(actual, whole[index]!))));
      expect(difference[0]).toBeLessThan(1e-4);
    }
  });

  it('skips what no query of a block sees', async () => {
    const x = random([1, 1, 512, 4], 1);
    const profile = await tf.profile(() =>
      attention({ query: x, key: x, value: x }, { scale: 1, causal: true, window: 64 }),
    );
    const largest = Math.max(
      ...profile.kernels.flatMap(({ outputShapes }) => outputShapes.map((shape) => tf.util.sizeFromShape(shape))),
    );
    expect(largest).toBeLessThanOrEqual(128 * (128 + 63));
  });

  it('refuses heads that do not divide, naming the shapes', () => {
    const key = random([1, 2, 4, 4], 1);
    expect(() => attention({ query: random([1, 3, 4, 4], 2), key, value: key }, { scale: 1, causal: true })).toThrow(
      /SHAPE_MISMATCH.*\[1,3,4,4\], \[1,2,4,4\]/,
    );
  });
});
