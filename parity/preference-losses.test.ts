/**
 * The losses of preference data as functions of log-probabilities, held to vectors that were derived from their papers'
 * formulas over the inputs of torchtune's test-suite: Δ = 0, 10 and 20.
 */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { type Backend, type HostTensor, type Program, tf } from '@tunesmith/core';
import {
  cpo,
  type DpoLossName,
  dpo,
  dpoLosses,
  ktoLosses,
  type LossOptions,
  logOddsRatio,
  type PairLogProbs,
  type PairLoss,
  rewardLoss,
  simpoLoss,
} from '@tunesmith/rlhf-dpo';
import { describe, expect, it } from 'vitest';

const torchtune = {
  chosen: [-0.5, -10, -1],
  rejected: [-0.1, -30, -21],
  referenceChosen: [-0.5, -10.1, -0.1],
  referenceRejected: [-0.1, -20.1, -0.1],
  chosenTokens: [2, 4, 5],
  rejectedTokens: [1, 5, 2],
  weights: [1, 1, 1],
};
/** Out of order both ways, and a row that only fills up the batch. */
const unsorted = {
  chosen: [-1, -10, -0.5, 7],
  rejected: [-21, -30, -0.1, 7],
  referenceChosen: [-0.1, -10.1, -0.5, 7],
  referenceRejected: [-0.1, -20.1, -0.1, 7],
  chosenTokens: [1, 1, 1, 1],
  rejectedTokens: [1, 1, 1, 1],
  weights: [1, 1, 1, 0],
};
/** Rewards, a chosen one greater and one less. */
const judged = { ...torchtune, chosen: [1, 0.2, 0], rejected: [0, 0.5, 0] };
/** Means over tokens; and certainty, which padding looks like. */
const averages = { ...torchtune, chosen: [-0.5, -1.2, 0], rejected: [-0.9, -0.7, 0] };
const simple = { beta: 2, gamma: 0.5, alpha: 0, labelSmoothing: 0 };
const one: LossOptions = { beta: 0.1, labelSmoothing: 0 };
const smooth: LossOptions = { beta: 0.1, labelSmoothing: 0.1 };
const softplus = (x: number): number => Math.log1p(Math.exp(-x));

const vectors: readonly [DpoLossName, LossOptions, readonly number[]][] = [
  ['sigmoid', one, [Math.LN2, 0.313262, 0.126928]],
  ['sigmoid', smooth, [Math.LN2, 0.413262, 0.326928]],
  ['robust', smooth, [Math.LN2, 0.188262, -0.123072]],
  ['hinge', one, [1, 0, 0]],
  ['ipo_sum', one, [25, 25, 225]],
  // c = 0, 0.1, −0.9 and r = 0, −9.9, −20.9, each by its answer's tokens.
  ['ipo', one, [0, 0.1 / 4 + 9.9 / 5, -0.9 / 5 + 20.9 / 2].map((delta) => (delta - 5) ** 2)],
  ['exo_pair', smooth, [0.510826, 0.114082, 0.001942]],
  ['nca_pair', one, [1.386294, 1.19522, 1.122047]],
  ['bco_pair', one, [1.386294, 1.004121, 0.855775]],
  ['sppo_hard', one, [50, 48.02, 287.62]],
  ['apo_zero', one, [1, 0.768412, 0.632557]],
  ['apo_down', one, [1, 0.771441, 0.596718]],
  ['discopop', one, [0.846574, 0.367879, 0.135335]],
  ['sigmoid_norm', one, [0, 0.1 / 4 + 9.9 / 5, -0.9 / 5 + 20.9 / 2].map((delta) => softplus(0.1 * delta))],
  // Sorted policy −0.4, 20, 20 less sorted reference −0.4, 0, 10.
  ['aot', one, [0, 20, 10].map((delta) => softplus(0.1 * delta))],
  // Sorted c −0.9, 0, 0.1 less sorted r −20.9, −9.9, 0.
  ['aot_unpaired', smooth, [20, 9.9, 0.1].map((delta) => 0.9 * softplus(0.1 * delta) + 0.1 * softplus(-0.1 * delta))],
];

async function compute(
  backend: Backend,
  loss: PairLoss,
  inputs: typeof torchtune,
  options: LossOptions,
): Promise<number[]> {
  const columns = Object.entries(inputs).map(([name, values]): [string, HostTensor] => [
    name,
    { dtype: 'float32', shape: [values.length], data: Float32Array.from(values) },
  ]);
  const program: Program = {
    name: 'loss',
    inputs: Object.fromEntries(columns.map(([name, { shape }]) => [name, { shape, dtype: 'float32' }])),
    body(io) {
      const pair = Object.fromEntries(columns.map(([name]) => [name, io.input(name)])) as unknown as PairLogProbs;
      return { outputs: { each: tf.mul(loss.of(pair, options), pair.weights) } };
    },
  };
  const store = backend.createStore();
  const executable = await backend.compile(program, store);
  const { each } = await executable.run(Object.fromEntries(columns));
  await executable.dispose();
  store.dispose();
  return Array.from(each?.data ?? []);
}

const backends = {
  'onnx-cpu': async () => createOnnxBackend({ device: 'cpu' }),
  'tfjs-cpu': () => createTfjsBackend({ prefer: 'cpu' }),
};

describe.each(Object.entries(backends))('%s', (_, create) => {
  it.each(vectors)('%s %o', async (name, options, expected) => {
    const each = await compute(await create(), dpoLosses[name], torchtune, options);
    for (const [index, value] of each.entries()) expect(value).toBeCloseTo(expected[index] as number, 4);
    expect(each).toHaveLength(3);
  });

  it.each([
    ['desirable', [0.507499, 0.505, 0.529964]],
    ['undesirable', [0.492501, 0.265027, 0.107168]],
  ] as const)('KTO, %s', async (kind, expected) => {
    // c of the chosen answers where they are good, and r of the rejected ones where those are bad; z0 = 0.3.
    const of: PairLoss['of'] = (pair) => {
      const ratios =
        kind === 'desirable'
          ? tf.sub(pair.chosen, pair.referenceChosen)
          : tf.sub(pair.rejected, pair.referenceRejected);
      return ktoLosses(ratios, tf.scalar(0.3), 0.1)[kind];
    };
    const each = await compute(await create(), { of }, torchtune, one);
    for (const [index, value] of each.entries()) expect(value).toBeCloseTo(expected[index] as number, 5);
  });

  it.each<[string, PairLoss['of'], readonly number[]]>([
    ['log-odds', logOddsRatio, [0.810917, -0.827959, 0]],
    ['SimPO', (pair) => simpoLoss(pair, simple), [0.554355, 1.701413, softplus(-0.5)]],
    // (1 − e^−α·x)/α of −0.5 and −0.9, with α = 1: rewards 1 − e^0.5 and 1 − e^0.9.
    [
      'AlphaPO',
      (pair) => simpoLoss(pair, { ...simple, alpha: 1 }),
      [
        softplus(2 * (Math.exp(0.9) - Math.exp(0.5)) - 0.5),
        softplus(2 * (Math.exp(0.7) - Math.exp(1.2)) - 0.5),
        softplus(-0.5),
      ],
    ],
  ])('%s of mean log-probabilities', async (_name, of, expected) => {
    const each = await compute(await create(), { of }, averages, one);
    for (const [index, value] of each.entries()) expect(value).toBeCloseTo(expected[index] as number, 5);
    expect(each).toHaveLength(3);
  });

  it.each<[string, number, number, readonly number[]]>([
    ['plain', 0, 0, [0.313262, 0.854355, Math.LN2]],
    ['with a margin', 0.5, 0, [0.474077, 1.171101, softplus(-0.5)]],
    ['centred', 0, 0.01, [0.313262 + 0.01, 0.854355 + 0.0049, Math.LN2]],
  ])('a reward model, %s', async (_name, margin, centering, expected) => {
    const of: PairLoss['of'] = (pair) => rewardLoss(pair, tf.fill([3], margin), centering);
    const each = await compute(await create(), { of }, judged, one);
    for (const [index, value] of each.entries()) expect(value).toBeCloseTo(expected[index] as number, 5);
    expect(each).toHaveLength(3);
  });

  it('sorts the pairs of a batch, and no row that only fills it up', async () => {
    for (const name of ['aot', 'aot_unpaired'] as const) {
      const each = await compute(await create(), dpoLosses[name], unsorted, one);
      const ordered = await compute(await create(), dpoLosses[name], torchtune, one);
      expect(each[3]).toBe(0);
      for (const [index, value] of ordered.entries()) expect(each[index]).toBeCloseTo(value, 6);
    }
  });
});

it('are all held to a vector', () => {
  expect(new Set(vectors.map(([name]) => name))).toEqual(new Set(Object.keys(dpoLosses)));
});

describe('options that do not go together', () => {
  it.each([
    [{ loss: 'hinge', labelSmoothing: 0.1 }, /dpo\.labelSmoothing: the loss hinge has no smoothing/],
    [{ loss: 'exo_pair' }, /dpo\.labelSmoothing: the loss exo_pair needs a smoothing; expected above 0/],
    [{ loss: 'apo_zero', reference: 'none' }, /dpo\.reference: the loss apo_zero compares each answer/],
    [{ labelSmoothing: 0.5 }, /labelSmoothing/],
  ] as const)('%o', (options, message) => {
    expect(() => dpo(options)).toThrow(message);
  });

  it('of CPO', () => {
    expect(() => cpo({ loss: 'hinge', labelSmoothing: 0.1 })).toThrow(/cpo\.labelSmoothing: the loss hinge has no/);
  });
});
