import { describe, expect, it } from 'vitest';
import {
  drawToken,
  keepTopK,
  keepTopP,
  logProbability,
  mostLikely,
  penaliseRepetition,
  pick,
  type Sampling,
  samplingSchema,
  softmax,
} from './sampling.js';

const none = Number.NEGATIVE_INFINITY;
const scores = (...values: number[]): Float32Array => Float32Array.from(values);
/** Logits whose softmax is these probabilities. */
const logitsOf = (...probabilities: number[]): Float32Array => Float32Array.from(probabilities, Math.log);
const sampling = (values: Partial<Sampling>): Sampling => samplingSchema.parse(values);

describe('the parts of sampling', () => {
  it('takes the first of the most likely', () => {
    expect(mostLikely(scores(1, 3, 3, 2))).toBe(1);
  });
  it('divides positive and multiplies negative scores of seen tokens, once each', () => {
    expect([...penaliseRepetition(scores(3, -3, 3, 0), [0, 1, 0], 1.5)]).toEqual([2, -4.5, 3, 0]);
  });
  it('keeps the k largest, and what equals the last of them', () => {
    expect([...keepTopK(scores(1, 4, 2, 4, 2), 2)]).toEqual([none, 4, none, 4, none]);
    expect([...keepTopK(scores(1, 4, 2, 4, 2), 3)]).toEqual([none, 4, 2, 4, 2]);
    expect([...keepTopK(scores(1, 2), 5)]).toEqual([1, 2]);
  });
  it('keeps the fewest tokens whose probabilities reach p', () => {
    const kept = (p: number): number[] =>
      [...keepTopP(logitsOf(0.1, 0.5, 0.15, 0.25), p)].flatMap((score, index) => (score === none ? [] : [index]));
    expect(kept(0.4)).toEqual([1]);
    expect(kept(0.51)).toEqual([1, 3]);
    expect(kept(0.8)).toEqual([1, 2, 3]);
    expect(kept(0.95)).toEqual([0, 1, 2, 3]);
  });
  it('normalises', () => {
    expect([...softmax(scores(0, Math.log(3), none))].map((value) => value.toFixed(6))).toEqual([
      '0.250000',
      '0.750000',
      '0.000000',
    ]);
    expect(logProbability(scores(1000, 1000), 1)).toBeCloseTo(Math.log(0.5), 12);
  });
  it('picks where the running sum passes the uniform number', () => {
    const probabilities = Float64Array.from([0.2, 0, 0.5, 0.3]);
    expect([0, 0.19, 0.2, 0.69, 0.7, 0.999999].map((uniform) => pick(probabilities, uniform))).toEqual([
      0, 0, 2, 2, 3, 3,
    ]);
    expect(pick(Float64Array.from([0.5, 0.4999, 0]), 0.99995)).toBe(1);
  });
});

describe('drawToken', () => {
  const at = { row: 0, position: 0 };
  it('is greedy at temperature 0, after the repetition penalty', () => {
    expect(drawToken(scores(1, 5, 4), [], sampling({}), at)).toBe(1);
    expect(drawToken(scores(1, 5, 4), [1], sampling({ repetitionPenalty: 2 }), at)).toBe(2);
  });
  it('draws as often as the probabilities say, sharpened or flattened by the temperature', () => {
    const share = (values: Partial<Sampling>): number => {
      let hits = 0;
      for (let position = 0; position < 4000; position++) {
        if (drawToken(logitsOf(0.8, 0.2), [], sampling(values), { row: 3, position }) === 0) hits++;
      }
      return hits / 4000;
    };
    // Deviation √(0.8 · 0.2 / 4000) = 0.006; p^(1/T) normalised: 0.9412 at T = ½, 0.6667 at T = 2.
    expect(Math.abs(share({ temperature: 1 }) - 0.8)).toBeLessThan(0.02);
    expect(Math.abs(share({ temperature: 0.5 }) - 0.9412)).toBeLessThan(0.02);
    expect(Math.abs(share({ temperature: 2 }) - 0.6667)).toBeLessThan(0.025);
  });
  it('draws only among what top-k and top-p keep', () => {
    const drawn = (values: Partial<Sampling>): number[] => {
      const options = sampling({ temperature: 1, ...values });
      const tokens = Array.from({ length: 500 }, (_, position) =>
        drawToken(logitsOf(0.4, 0.1, 0.3, 0.2), [], options, { row: 0, position }),
      );
      return [...new Set(tokens)].sort();
    };
    expect(drawn({})).toEqual([0, 1, 2, 3]);
    expect(drawn({ topK: 2 })).toEqual([0, 2]);
    expect(drawn({ topP: 0.8 })).toEqual([0, 2, 3]);
    // Of the two that top-k keeps, the first alone has 0.4 / 0.7.
    expect(drawn({ topK: 2, topP: 0.55 })).toEqual([0]);
  });
  it('depends on seed, row and position, and on nothing else', () => {
    const logits = new Float32Array(50);
    const draws = (seed: number, row: number): number[] =>
      Array.from({ length: 20 }, (_, position) =>
        drawToken(logits, [], sampling({ temperature: 1, seed }), { row, position }),
      );
    expect(draws(1, 0)).toEqual(draws(1, 0));
    expect(draws(1, 0)).not.toEqual(draws(2, 0));
    expect(draws(1, 0)).not.toEqual(draws(1, 1));
    expect(new Set(draws(1, 0)).size).toBeGreaterThan(10);
  });
});
