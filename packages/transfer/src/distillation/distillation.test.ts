import '@tensorflow/tfjs-backend-cpu';
import { type Row, type Tensor, tf } from '@tunesmith/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { divergence } from './soft-targets.js';
import { collateTaught } from './teacher-columns.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const logits = [
  [1, 2, 0.5, -1],
  [0, 0, 3, 1],
];
const teacher = [
  [0.2, 1, 1.5, 0],
  [2, -1, 0, 0.5],
];

function softmax(values: readonly number[], temperature: number): number[] {
  const powers = values.map((value) => Math.exp(value / temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function kl(p: readonly number[], q: readonly number[]): number {
  return p.reduce((sum, each, index) => sum + each * Math.log(each / (q[index] as number)), 0);
}

function values(tensor: Tensor): number[] {
  return [...tensor.dataSync()];
}

describe('divergence', () => {
  it.each([1, 2, 5])('is Hinton’s at temperature %d, either way', (temperature) => {
    const expected = (from: number[][], to: number[][]): number[] =>
      from.map((row, index) => kl(softmax(row, temperature), softmax(to[index] as number[], temperature)));
    const of = (direction: 'forward' | 'reverse'): number[] =>
      values(divergence(tf.tensor2d(logits), { logProbs: tf.tensor2d(teacher) }, temperature, direction));
    for (const [index, value] of expected(teacher, logits).entries())
      expect(of('forward')[index]).toBeCloseTo(value, 5);
    for (const [index, value] of expected(logits, teacher).entries())
      expect(of('reverse')[index]).toBeCloseTo(value, 5);
  });

  it('takes the kept tokens of the teacher for all of them, and the student’s for what they are', () => {
    const tokens = [
      [2, 1],
      [0, 3],
    ];
    const kept = tokens.map((row, index) => row.map((token) => teacher[index]?.[token] as number));
    const found = values(
      divergence(tf.tensor2d(logits), { logProbs: tf.tensor2d(kept), tokens: tf.tensor2d(tokens, [2, 2], 'int32') }, 2),
    );
    const expected = kept.map((row, index) => {
      const student = softmax(logits[index] as number[], 2);
      return kl(
        softmax(row, 2),
        (tokens[index] as number[]).map((token) => student[token] as number),
      );
    });
    for (const [index, value] of expected.entries()) expect(found[index]).toBeCloseTo(value, 5);
  });
});

describe('collateTaught', () => {
  const row = (tokens: number[], weights: number[], prior?: number[]): Row => ({
    tokens: Int32Array.from(tokens),
    weights: Float32Array.from(weights),
    ...(prior && { prior: Float32Array.from(prior) }),
  });
  const options = { rows: 3, maxLength: 16, padToken: 0 };

  it('asks for the position before each target, row by row', () => {
    const { columns } = collateTaught([row([5, 6, 7, 8], [0, 0, 1, 1]), row([5, 6], [0, 1])], options);
    expect(columns.slots?.shape).toEqual([6]);
    expect([...(columns.slots?.data ?? [])]).toEqual([1, 2, 16, 0, 0, 0]);
    expect(columns.teacherTokens).toBeUndefined();
  });

  it('lays what was said beside the targets, whatever the batch', () => {
    // Two tokens and their log-probabilities for each target; what filled the first batch up is left.
    const first = row([5, 6, 7, 8], [0, 0, 1, 1], [2, 7, 3, -0.1, -2, 8, 1, -0.2, -3]);
    const second = row([5, 6], [0, 1], [2, 6, 4, -0.3, -4, 9, 9, -9, -9]);
    const { columns } = collateTaught([second, first], options);
    const width = 2;
    expect(columns.teacherTokens?.shape[1]).toBe(width);
    expect([...(columns.teacherTokens?.data ?? [])].slice(0, 6)).toEqual([6, 4, 7, 3, 8, 1]);
    const logProbs = [...(columns.teacherLogProbs?.data ?? [])].slice(0, 6).map((value) => Number(value.toFixed(4)));
    expect(logProbs).toEqual([-0.3, -4, -0.1, -2, -0.2, -3]);
    expect([...(columns.targets?.data ?? [])].slice(0, 3)).toEqual([6, 7, 8]);
  });
});
