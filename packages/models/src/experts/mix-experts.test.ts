import '@tensorflow/tfjs-backend-cpu';
import { randomKey, randomNormal, type SiteFunction, type Tensor, type Trace, tf } from '@tunesmith/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { mixExperts } from './mix-experts.js';
import type { Routing } from './routing.js';

const [batch, length, hidden, count] = [2, 7, 3, 4];

function random(name: string, shape: number[]): Tensor {
  const key = randomKey(7, name);
  const size = shape.reduce((product, each) => product * each, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, index) => randomNormal(key, index)),
    shape,
  );
}

/** Which choices of tokens find room, written as a loop: `[batch, seq, experts]` of 0 and 1. */
function roomFor(logits: Tensor, present: Tensor, { active, capacityFactor }: Routing): Tensor {
  const capacity = Math.ceil(((capacityFactor ?? 0) * length * active) / count);
  const scores = logits.arraySync() as number[][][];
  const isThere = present.arraySync() as number[][];
  const room = scores.map((row, index) => {
    const taken = Array<number>(count).fill(0);
    return row.map((token, position) => {
      const best = [...token.keys()].sort((a, b) => (token[b] as number) - (token[a] as number)).slice(0, active);
      return token.map((_, expert) => {
        if (isThere[index]?.[position] === 0 || !best.includes(expert)) return 0;
        taken[expert] = (taken[expert] as number) + 1;
        return (taken[expert] as number) <= capacity ? 1 : 0;
      });
    });
  });
  return tf.tensor3d(room);
}

const handed: { name: string; value: Tensor }[] = [];
const trace = (training: boolean): Trace =>
  ({ training, hand: (each: (typeof handed)[number]) => void handed.push(each) }) as unknown as Trace;

describe.each([
  { active: 1, capacityFactor: 1, normalized: false },
  { active: 2, capacityFactor: 0.8, normalized: true },
  { active: 2, capacityFactor: 2, normalized: true },
])('$active of four experts, capacity $capacityFactor', (own) => {
  const routing: Routing = { count, rowCapacity: null, ...own };
  let inputs: Tensor[];
  let present: Tensor;
  beforeAll(async () => {
    await tf.setBackend('cpu');
    inputs = [
      random('x', [batch, length, hidden]),
      random('router', [count, hidden]),
      random('experts', [count, hidden, hidden]),
    ];
    present = tf.tensor2d([Array(length).fill(1), [1, 1, 1, 1, 1, 0, 0]]);
  });

  const product = (x: Tensor, weight: Tensor): Tensor =>
    tf.reshape(tf.matMul(tf.reshape(x, [-1, hidden]), weight, false, true), [...x.shape.slice(0, 2), -1]);
  const experts = (weights: Tensor): SiteFunction<'sublayer'>[] =>
    tf.unstack(weights).map((weight) => (_, x) => tf.tanh(product(x, weight)));

  const mixed = (training: boolean) => (x: Tensor, router: Tensor, weights: Tensor) =>
    mixExperts(
      trace(training),
      { router: (_, input) => product(input, router), experts: experts(weights), routing },
      x,
      present,
    );
  /** Every expert over every token, times what the token takes of it where it found room. */
  const naive = (x: Tensor, router: Tensor, weights: Tensor): Tensor => {
    const [input, gate] = inputs as [Tensor, Tensor];
    const isFree = { ...routing, capacityFactor: count };
    const room = roomFor(product(input, gate), present, routing);
    const chosen = roomFor(product(input, gate), tf.ones([batch, length]), isFree);
    const taken = tf.mul(tf.softmax(product(x, router)), chosen);
    const shares = own.normalized ? tf.div(taken, tf.sum(taken, -1, true)) : taken;
    const each = tf.split(tf.mul(shares, room), count, -1);
    return tf.addN(experts(weights).map((expert, index) => tf.mul(expert(trace(true), x), each[index] as Tensor)));
  };

  it('gives each expert the first tokens that chose it, and the rest nothing', () => {
    const wanted = random('dy', [batch, length, hidden]);
    const sum =
      (f: typeof naive) =>
      (...args: Tensor[]): Tensor =>
        tf.sum(tf.mul(f(args[0]!, args[1]!, args[2]!), wanted));
    handed.length = 0;
    const [x, router, weights] = inputs as [Tensor, Tensor, Tensor];
    const y = mixed(true)(x, router, weights);
    expectClose(y, naive(x, router, weights));
    const own = tf.grads(sum(mixed(true)))(inputs);
    const expected = tf.grads(sum(naive))(inputs);
    for (const [index, gradient] of own.entries()) expectClose(gradient, expected[index] as Tensor);
    const room = tf.sum(roomFor(product(x, router), present, routing)).dataSync()[0] as number;
    const [kept, all] = handed.find(({ name }) => name === 'router.kept')?.value.dataSync() ?? [];
    expect([kept, all]).toEqual([room, 12 * routing.active]);
    if (routing.capacityFactor !== 2) expect(kept).toBeLessThan(all as number);
  });

  it('drops nothing where nothing is trained', () => {
    const [x, router, weights] = inputs as [Tensor, Tensor, Tensor];
    const free = { ...routing, capacityFactor: null };
    const dropless = mixExperts(
      trace(true),
      { router: (_, input) => product(input, router), experts: experts(weights), routing: free },
      x,
      present,
    );
    expectClose(mixed(false)(x, router, weights), dropless);
  });
});

function expectClose(actual: Tensor, expected: Tensor): void {
  expect(actual.shape).toEqual(expected.shape);
  expect(tf.max(tf.abs(tf.sub(actual, expected))).dataSync()[0]).toBeLessThan(1e-5);
}
