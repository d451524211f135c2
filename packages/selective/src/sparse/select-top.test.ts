import { describe, expect, it } from 'vitest';
import { selectTop } from './select-top.js';

const scores = (...weights: readonly (readonly number[])[]) =>
  weights.map((values, index) => ({ path: `w${index}`, values: Float32Array.from(values) }));
const selected = (...all: Parameters<typeof selectTop>) =>
  Object.fromEntries([...selectTop(...all)].map(([path, positions]) => [path, [...positions]]));

describe('selectTop', () => {
  it('selects over all weights together', () => {
    expect(selected(scores([1, 5, 3], [4, 2]), 3)).toEqual({ w0: [1, 2], w1: [0] });
    expect(selected(scores([1, 2], [4, 5]), 2)).toEqual({ w1: [0, 1] });
    expect(selected(scores([1, 2], [4, 5]), 9)).toEqual({ w0: [0, 1], w1: [0, 1] });
    expect(selected(scores([1, 2]), 0)).toEqual({});
  });

  it('breaks ties by the earlier weight and the lower position, and selects no zero', () => {
    expect(selected(scores([2, 1, 2], [3, 2]), 2)).toEqual({ w0: [0], w1: [0] });
    expect(selected(scores([2, 1, 2], [3, 2]), 3)).toEqual({ w0: [0, 2], w1: [0] });
    expect(selected(scores([0, 1, -0], [0]), 3)).toEqual({ w0: [1] });
  });

  it('agrees with sorting, for scores of all magnitudes and many equal ones', () => {
    const values = Array.from({ length: 5000 }, (_, index) =>
      Math.fround(10 ** ((index * 7919) % 83) - 40 + (index % 7)),
    );
    const all = scores(values.slice(0, 3000).map(Math.abs), values.slice(3000).map(Math.abs));
    const flat = all.flatMap(({ values: own }, weight) => [...own].map((score, index) => ({ score, weight, index })));
    const sorted = [...flat].sort((a, b) => b.score - a.score || a.weight - b.weight || a.index - b.index);
    for (const count of [1, 2, 17, 1234, 4999]) {
      const expected: Record<string, number[]> = {};
      for (const { weight, index } of sorted.slice(0, count)) {
        const key = `w${weight}`;
        expected[key] = [...(expected[key] ?? []), index];
      }
      for (const positions of Object.values(expected)) positions.sort((a, b) => a - b);
      expect(selected(all, count)).toEqual(expected);
    }
  });

  it('refuses what cannot be ordered', () => {
    expect(() => selectTop(scores([1, Number.NaN]), 1)).toThrow('w0[1]');
    expect(() => selectTop(scores([1], [-1]), 1)).toThrow('w1[0]');
  });
});
