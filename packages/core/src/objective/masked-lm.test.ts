import { describe, expect, it } from 'vitest';
import { maskedLm } from './masked-lm.js';
import type { Row } from './row.js';

const [pad, cls, mask, vocabularySize] = [0, 1, 2, 1000];
const objective = maskedLm({ maskToken: mask, vocabularySize, specialTokens: new Set([pad, cls, mask]) });
const row = (length: number, from = 3): Row => ({
  tokens: Int32Array.from({ length }, (_, index) => (index === 0 ? cls : from + (index % 900))),
  weights: new Float32Array(length),
});
const options = { rows: 4, maxLength: 4096, padToken: pad };
const random = { seed: 7, step: 3, firstRow: 0 };

function collate(rows: Row[], changes: object = {}) {
  const { columns, normalizers } = objective.collate(rows, { ...options, ...changes });
  const read = (name: string): number[] => Array.from(columns[name]?.data as Int32Array);
  const count = normalizers.targets as number;
  return {
    ids: read('ids'),
    positions: read('targetPositions').slice(0, count),
    targets: read('targets').slice(0, count),
    weights: read('targetWeights'),
    count,
  };
}

describe('maskedLm.collate', () => {
  it('hides 80 % of 15 %, falsifies 10 %, and asks for the tokens that stood there', () => {
    const rows = [row(4000), row(4000, 40)];
    const { ids, positions, targets, count, weights } = collate(rows, { random });
    expect(count / 8000).toBeGreaterThan(0.14);
    expect(count / 8000).toBeLessThan(0.16);
    const length = ids.length / 4;
    const stood = positions.map((at) => rows[Math.floor(at / length)]?.tokens[at % length]);
    expect(targets).toEqual(stood);
    const share = (is: (id: number, target: number) => boolean): number =>
      positions.filter((at, index) => is(ids[at] as number, targets[index] as number)).length / count;
    expect(Math.abs(share((id) => id === mask) - 0.8)).toBeLessThan(0.04);
    expect(Math.abs(share((id, target) => id === target) - 0.1)).toBeLessThan(0.03);
    // What nobody asks for stands as it was.
    const asked = new Set(positions);
    for (const [at, token] of (rows[0] as Row).tokens.entries()) if (!asked.has(at)) expect(ids[at]).toBe(token);
    expect(weights.reduce((sum, weight) => sum + weight)).toBe(count);
  });

  it('draws by seed, step and row of the accumulated batch: not by how it is split', () => {
    const rows = [row(60), row(60, 9), row(60), row(60, 5)];
    const whole = collate(rows, { random });
    const halves = [0, 2].map((firstRow) =>
      collate(rows.slice(firstRow, firstRow + 2), { random: { ...random, firstRow } }),
    );
    const length = whole.ids.length / 4;
    expect(halves.flatMap(({ ids }) => ids.slice(0, 2 * length))).toEqual(whole.ids);
    expect(collate(rows, { random: { ...random, step: 4 } }).positions).not.toEqual(whole.positions);
    expect(collate(rows, { random: { ...random, seed: 8 } }).positions).not.toEqual(whole.positions);
  });

  it('hides the same in every evaluation, wherever the row stands', () => {
    const [first, second] = [row(60), row(60, 9)];
    const one = collate([first, second]);
    const length = one.ids.length / 4;
    expect(collate([second, first]).ids.slice(length, 2 * length)).toEqual(one.ids.slice(0, length));
  });

  it('finds at least one token in a row, and never hides special or virtual ones', () => {
    const short: Row = { tokens: Int32Array.of(vocabularySize, cls, 17, cls), weights: new Float32Array(4) };
    for (let step = 0; step < 20; step++) {
      const { positions, count } = collate([short], { random: { ...random, step } });
      expect([count, ...positions]).toEqual([1, 2]);
    }
    const nothing: Row = { tokens: Int32Array.of(cls, cls), weights: new Float32Array(2) };
    expect(collate([nothing]).count).toBe(0);
  });
});
