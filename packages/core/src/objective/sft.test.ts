import { describe, expect, it } from 'vitest';
import { bucketLength, bucketTargets } from './buckets.js';
import { sft } from './sft.js';

describe('buckets', () => {
  it('rounds up to 2ᵏ and 1.5·2ᵏ, and never above the limit', () => {
    expect([1, 17, 25, 33, 100, 129].map((length) => bucketLength(length, 1024))).toEqual([16, 24, 32, 48, 128, 192]);
    expect(bucketLength(700, 720)).toBe(720);
  });
  it('rounds targets up to a quarter of the positions, or all', () => {
    expect([1, 128, 129, 512].map((count) => bucketTargets(count, 512))).toEqual([128, 128, 512, 512]);
  });
});

describe('sft.collate', () => {
  const row = (tokens: number[], weights: number[], segments?: number[]) => ({
    tokens: Int32Array.from(tokens),
    weights: Float32Array.from(weights),
    ...(segments === undefined ? {} : { segments: Int32Array.from(segments) }),
  });

  it('lists each weighted token with the position before it', () => {
    const batch = sft.collate([row([5, 6, 7], [0, 0, 1]), row([8, 9], [0, 0.5])], {
      rows: 3,
      maxLength: 64,
      padToken: 0,
    });
    expect(batch.columns.ids?.shape).toEqual([3, 16]);
    expect([...(batch.columns.targetPositions?.data ?? [])].slice(0, 3)).toEqual([1, 16, 0]);
    expect([...(batch.columns.targets?.data ?? [])].slice(0, 3)).toEqual([7, 9, 0]);
    expect([...(batch.columns.targetWeights?.data ?? [])].slice(0, 3)).toEqual([1, 0.5, 0]);
    expect(batch).toMatchObject({ rows: 2, tokens: 5, normalizers: { weight: 1.5 } });
    expect(batch.columns.segments).toBeUndefined();
  });
  it('does not predict the first token of a packed example', () => {
    const batch = sft.collate([row([1, 2, 3, 4], [0, 1, 1, 1], [1, 1, 2, 2])], { rows: 1, maxLength: 64, padToken: 0 });
    expect(batch.normalizers.weight).toBe(2);
    expect(batch.columns.segments).toBeDefined();
  });
  it('refuses a row above the limit', () => {
    expect(() =>
      sft.collate([row(Array(9).fill(1), Array(9).fill(1))], { rows: 1, maxLength: 8, padToken: 0 }),
    ).toThrow('at most 8');
  });
});
