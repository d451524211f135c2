import '@tensorflow/tfjs-backend-cpu';
import { type Row, reverseGradient, tf } from '@tunesmith/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { collateDomains } from './collate-domains.js';
import { dann, reversalAt } from './dann.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('reverseGradient', () => {
  it('is x, whose gradient comes back −λ times', () => {
    const x = tf.tensor1d([1, -2, 3]);
    const { value, grads } = tf.valueAndGrads((y, factor) => tf.sum(tf.square(reverseGradient(y, factor))))([
      x,
      tf.scalar(0.25),
    ]);
    expect(value.dataSync()[0]).toBe(14);
    expect([...(grads[0]?.dataSync() ?? [])]).toEqual([-0.5, 1, -1.5]);
    expect([...(grads[1]?.dataSync() ?? [])]).toEqual([0]);
  });
});

describe('reversalAt', () => {
  it('rises from 0 to nearly λ as in §5.2.2 of the paper', () => {
    const at = (step: number): number => reversalAt({ step, steps: 100 }, { lambda: 1, steepness: 10 });
    expect(at(0)).toBe(0);
    expect(at(10)).toBeCloseTo(2 / (1 + Math.exp(-1)) - 1, 12);
    expect(at(50)).toBeCloseTo(0.98661, 5);
    expect(reversalAt({ step: 100, steps: 100 }, { lambda: 0.3, steepness: 10 })).toBeCloseTo(0.29997, 5);
  });
});

describe('collateDomains', () => {
  const objective = dann({ labels: 2, units: 4 });
  const row = (labels?: number[]): Row => ({
    tokens: Int32Array.of(4, 5),
    weights: new Float32Array(2),
    ...(labels && { labels: Float32Array.from(labels) }),
  });
  const rows = [row([1]), row(), row([0]), row(), row()];
  const options = { rows: 6, maxLength: 8, padToken: 0 };
  const random = { seed: 1, step: 0, firstRow: 0 };

  it('takes rows without labels for the target’s, which weigh nothing for the labels', () => {
    const { columns, normalizers } = objective.collate(rows, { ...options, random });
    const values = (name: string): number[] => [...(columns[name]?.data ?? [])];
    expect(values('rowWeights')).toEqual([1, 0, 1, 0, 0, 0]);
    expect(values('source')).toEqual([1, 0, 1, 0, 0, 0]);
    expect(values('target')).toEqual([0, 1, 0, 1, 1, 0]);
    expect(normalizers).toEqual({ rows: 2, targetRows: 3, allRows: 5 });
  });

  it('refuses to evaluate rows without labels', () => {
    expect(() => collateDomains(objective, rows, options)).toThrow('a row has no fitting label');
    expect(objective.collate([row([1])], options).columns.target).toBeUndefined();
  });
});
