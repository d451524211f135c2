import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { randomKey, randomNormal } from '../random/mixer.js';
import { attention } from './attention.js';
import { treeMask } from './attention-mask.js';
import { type Tensor, tf } from './tfjs.js';

const width = 4;
const key = randomKey(1, 'tree');
let draws = 0;
const random = (length: number): Tensor =>
  tf.tensor(
    Array.from({ length: 2 * length * width }, () => randomNormal(key, draws++)),
    [1, 2, length, width],
  );
const part = (x: Tensor, from: number, to: number): Tensor => tf.slice(x, [0, 0, from, 0], [1, 2, to - from, width]);
const int32 = (values: number[]): Tensor => tf.tensor2d(values, [1, values.length], 'int32');

describe('treeMask', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('gives each answer the attention that it has alone behind its prompt', () => {
    // A prompt of 3 tokens, two answers of 2 and 3 tokens, one token of padding.
    const segments = int32([1, 1, 1, 2, 2, 3, 3, 3, 0]);
    const [query, keys, value] = [random(9), random(9), random(9)] as [Tensor, Tensor, Tensor];
    const options = { scale: 0.5, causal: true };
    const together = attention({ query, key: keys, value, mask: treeMask(segments, segments, [0, 0, 1, 1]) }, options);
    for (const [from, to] of [
      [3, 5],
      [5, 8],
    ] as const) {
      const alone = (x: Tensor): Tensor => tf.concat([part(x, 0, 3), part(x, from, to)], 2);
      const separate = attention({ query: alone(query), key: alone(keys), value: alone(value) }, options);
      const expected = tf.slice(separate, [0, 0, 3, 0], [1, 2, to - from, width]).dataSync();
      const got = part(together, from, to).dataSync();
      for (const [index, wanted] of expected.entries()) expect(got[index]).toBeCloseTo(wanted, 6);
    }
  });

  it('sees through several levels, and never a sibling or padding', () => {
    const segments = int32([0, 1, 2, 3, 4]);
    const visible = [...treeMask(segments, segments, [0, 0, 1, 2, 1]).dataSync()].map((score) => (score === 0 ? 1 : 0));
    // Rows: padding, root, its child, its grandchild, another child.
    expect(visible).toEqual([
      ...[0, 0, 0, 0, 0],
      ...[0, 1, 0, 0, 0],
      ...[0, 1, 1, 0, 0],
      ...[0, 1, 1, 1, 0],
      ...[0, 1, 0, 0, 1],
    ]);
  });
});
