import '@tensorflow/tfjs-backend-cpu';
import { type Model, type Named, type Row, type Tensor, type Trace, tf } from '@tunesmith/core';
import { expect, it } from 'vitest';
import { answers } from './answers.js';

/** A model that always finds the token likeliest that is one more than the last. */
const counting = {
  run: (_: Trace, { ids }: { ids: Tensor }) => ({
    logits: (positions: Tensor) =>
      tf.oneHot(tf.add(tf.gather(tf.reshape(ids, [-1]), positions), tf.scalar(1, 'int32')), 16),
  }),
} as unknown as Model;

const row = (tokens: number[], asked: number): Row => ({
  tokens: Int32Array.from(tokens),
  weights: Float32Array.from(tokens, (_, index) => (index < asked ? 0 : 1)),
});

it('counts the tokens that are the likeliest, and the answers that are as a whole', async () => {
  const rows = [row([9, 1, 2, 3], 2), row([1, 2, 4, 5, 6], 1), row([5, 5, 8], 2)];
  const batch = answers.collate(rows, { rows: 4, maxLength: 16, padToken: 0 });
  const columns = Object.fromEntries(
    Object.entries(batch.columns).map(([name, { data, shape, dtype }]) => [
      name,
      tf.tensor(Array.from(data as Int32Array), [...shape], dtype as 'int32' | 'float32'),
    ]),
  ) as Named<Tensor>;
  const counted = answers.predictions?.predict(counting, columns, {} as Trace) as Tensor;
  // The last row fills up the batch.
  expect(await counted.array()).toEqual([
    [2, 2],
    [3, 4],
    [0, 1],
    [0, 0],
  ]);
  const seen = ((await counted.array()) as number[][]).slice(0, 3).map((counts) => Float32Array.from(counts));
  expect(answers.predictions?.measure(rows, seen)).toEqual({ exactMatch: 1 / 3, tokenAccuracy: 5 / 7 });
});
