/**
 * The clipped losses of policies and values, held to values that were derived from PPO's formulas (Schulman et al. 2017, eq. 7).
 * Those of torchtune's test-suite are wrong: its tolerance is a million.
 */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import type { Backend, HostTensor, Tensor } from '@tunesmith/core';
import { clippedPolicyLoss, clippedValueLoss, isClipped, klLoss } from '@tunesmith/rlhf-dpo';
import { describe, expect, it } from 'vitest';

type Vector = readonly number[];

async function compute(backend: Backend, inputs: readonly Vector[], of: (...x: Tensor[]) => Tensor): Promise<number[]> {
  const columns = inputs.map((values, index): [string, HostTensor] => [
    `x${index}`,
    { dtype: 'float32', shape: [values.length], data: Float32Array.from(values) },
  ]);
  const store = backend.createStore();
  const executable = await backend.compile(
    {
      name: 'loss',
      inputs: Object.fromEntries(columns.map(([name, { shape }]) => [name, { shape, dtype: 'float32' }])),
      body: (io) => ({ outputs: { each: of(...columns.map(([name]) => io.input(name))) } }),
    },
    store,
  );
  const { each } = await executable.run(Object.fromEntries(columns));
  await executable.dispose();
  store.dispose();
  return Array.from(each?.data ?? []);
}

const backends = {
  'onnx-cpu': async () => createOnnxBackend({ device: 'cpu' }),
  'tfjs-cpu': () => createTfjsBackend({ prefer: 'cpu' }),
};
const range = { low: 0.2, high: 0.2 };
const cases: readonly [string, readonly Vector[], (...x: Tensor[]) => Tensor, Vector][] = [
  [
    'a policy’s loss',
    [
      [1, 1, 1, -1, -1],
      [1, -1, 0.1, 1, -1],
    ],
    (advantages, logRatios) => clippedPolicyLoss(advantages as Tensor, logRatios as Tensor, range),
    [-1.2, -0.367879, -1.105171, Math.E, 0.8],
  ],
  [
    'a policy’s loss with a higher upper bound',
    [[1], [1]],
    (advantages, logRatios) => clippedPolicyLoss(advantages as Tensor, logRatios as Tensor, { low: 0.2, high: 0.28 }),
    [-1.28],
  ],
  [
    'what is clipped',
    [
      [1, 1, 1, -1, -1],
      [1, -1, 0.1, 1, -1],
    ],
    (advantages, logRatios) => isClipped(advantages as Tensor, logRatios as Tensor, range),
    [1, 0, 0, 0, 1],
  ],
  [
    // V − V_old of 1, 0.1 and −1, of which 0.2 at most count; the greater error is the loss.
    'a value’s loss',
    [
      [1, 0.1, -1],
      [0, 0, 0],
      [2, 2, -2],
    ],
    (values, old, returns) => clippedValueLoss(values as Tensor, old as Tensor, returns as Tensor, 0.2),
    [0.5 * 1.8 ** 2, 0.5 * 1.9 ** 2, 0.5 * 1.8 ** 2],
  ],
  ['a KL', [[-1.2], [-1]], (logProbs, reference) => klLoss(logProbs as Tensor, reference as Tensor), [0.021403]],
];

describe.each(Object.entries(backends))('%s', (_, create) => {
  it.each(cases)('%s', async (_name, inputs, of, expected) => {
    const each = await compute(await create(), inputs, of);
    for (const [index, value] of each.entries()) expect(value).toBeCloseTo(expected[index] as number, 5);
    expect(each).toHaveLength(expected.length);
  });
});
