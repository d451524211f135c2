import '@tensorflow/tfjs-backend-cpu';
import { fillUniform, type Tensor, tf } from '@tunesmith/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { closeGates, drawnGate, openProbability, settledGate } from './hard-concrete.js';

const stretch = { lower: -1.5, upper: 1.5 };
const narrow = { lower: -0.1, upper: 1.1 };
const values = (tensor: Tensor): number[] => [...tensor.dataSync()];

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('the hard-concrete distribution', () => {
  it('is not zero with the probability of the paper', () => {
    const probabilities = values(openProbability(tf.tensor1d([-3, 0, 5]), stretch));
    for (const [index, expected] of [0.0474, 0.5, 0.9933].entries()) {
      expect(probabilities[index]).toBeCloseTo(expected, 4);
    }
    // σ(log 11): a tenth below zero for a whole above it.
    expect(values(openProbability(tf.scalar(0), narrow))[0]).toBeCloseTo(11 / 12, 6);
  });

  it.each([stretch, narrow])('is drawn so often from noise: %o', (where) => {
    const noise = new Float32Array(20_000);
    fillUniform(noise, [noise.length], 'gate', 'step', { seed: 1, step: 0, firstRow: 0 });
    for (const alpha of [-3, 0, 0.7, 5]) {
      const gates = values(drawnGate(tf.fill([noise.length], alpha), tf.tensor1d(noise), where));
      const [expected] = values(openProbability(tf.scalar(alpha), where)) as [number];
      expect(gates.filter((gate) => gate > 0).length / noise.length).toBeCloseTo(expected, 2);
      expect(Math.min(...gates)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...gates)).toBeLessThanOrEqual(1);
    }
  });

  it('cuts noise to [1e-4, 1 − 1e-4]', () => {
    const edge = Math.log(9999);
    const gates = values(drawnGate(tf.tensor1d([edge, -edge, edge + 0.4]), tf.tensor1d([0, 1, 1e-9]), stretch));
    expect(gates[0]).toBeCloseTo(0, 5);
    expect(gates[1]).toBeCloseTo(0, 5);
    expect(gates[2]).toBeCloseTo(3 / (1 + Math.exp(-0.4)) - 1.5, 5);
  });
});

describe('a settled gate', () => {
  const alphas = [-30, -1, 0, 0.5, 1, 1.6, 1.62, 5, 30];

  it('is the stretched sigmoid, cut to [0, 1], on the device and on the host', () => {
    const expected = alphas.map((alpha) => Math.min(1, Math.max(0, 3 / (1 + Math.exp(-alpha)) - 1.5)));
    expect(expected[4]).toBeCloseTo(0.693176, 6);
    const [gates, host] = [values(settledGate(tf.tensor1d(alphas), stretch)), new Float32Array(alphas.length).fill(2)];
    closeGates(host, Float32Array.from(alphas), stretch);
    for (const [index, gate] of expected.entries()) {
      expect(gates[index]).toBeCloseTo(gate, 6);
      expect(host[index]).toBeCloseTo(2 * gate, 6);
    }
    const group = Float32Array.of(1, -4);
    closeGates(group, Float32Array.of(1), stretch);
    expect(group[1]).toBeCloseTo(-4 * 0.693176, 5);
  });

  it('has the gradient of the same formula in other ops', () => {
    const naive = (x: Tensor) => tf.sum(tf.square(tf.clipByValue(tf.sub(tf.mul(tf.sigmoid(x), 1.2), 0.1), 0, 1)));
    const own = (x: Tensor) => tf.sum(tf.square(settledGate(x, narrow)));
    const at = tf.tensor1d(alphas);
    const [expected, got] = [naive, own].map((f) => values(tf.grad((x: Tensor) => f(x))(at)));
    expect(expected?.filter((slope) => slope !== 0).length).toBeGreaterThan(4);
    for (const [index, slope] of (expected as number[]).entries()) expect(got?.[index]).toBeCloseTo(slope, 5);
  });
});
