import { describe, expect, it } from 'vitest';
import { loraConfigSchema } from './config.js';
import { addLowRankProduct, lowRankShape, transposed } from './low-rank.js';

type Options = Parameters<typeof loraConfigSchema.parse>[0];

function scales(options: Options, paths: readonly string[]): number[] {
  const config = loraConfigSchema.parse(options);
  return paths.map((path) => lowRankShape(config, path).scale);
}

/** PEFT's cases (tests/test_initialization.py, test_lora_*scaling*). */
describe('scaling', () => {
  it('is alpha / rank, or alpha / √rank', () => {
    expect(scales({ rank: 16, alpha: 3 }, ['linear'])).toEqual([0.1875]);
    expect(scales({ rank: 16, alpha: 3, useRslora: true }, ['linear'])).toEqual([0.75]);
  });

  it('follows rank and alpha patterns, each on its own', () => {
    const patterns = {
      rank: 25,
      alpha: 17,
      rankPattern: { embed: 9, conv: 16 },
      alphaPattern: { linear: 11, conv: 13 },
    };
    const paths = ['model.linear', 'model.embed', 'model.conv'];
    expect(scales(patterns, paths)).toEqual([11 / 25, 17 / 9, 13 / 16]);
    expect(scales({ ...patterns, useRslora: true }, paths)).toEqual([11 / 5, 17 / 3, 13 / 4]);
  });

  it('matches a pattern at the end of a path', () => {
    const layer = (index: number, name: string): string => `model.layers.${index}.${name}`;
    const config = {
      rank: 8,
      alpha: 8,
      rankPattern: { 'layers.1.q': 16, 'layers.2.q': 32 },
      alphaPattern: { 'layers.2.q': 4, 'layers.3.q': 16 },
    };
    const paths = [0, 1, 2, 3, 4].map((index) => layer(index, 'q'));
    expect(scales(config, paths)).toEqual([1, 0.5, 0.125, 2, 1]);
    expect(scales({ rank: 8, alpha: 8, rankPattern: { q: 4 } }, ['model.seq'])).toEqual([1]);
  });
});

it('adds a product and takes it away', () => {
  const weight = new Float32Array(6);
  const [a, b] = [Float32Array.of(1, 2, 3), Float32Array.of(4, 5)];
  addLowRankProduct(weight, a, b, 1, 0.5);
  expect([...weight]).toEqual([2, 4, 6, 2.5, 5, 7.5]);
  addLowRankProduct(weight, a, b, 1, -0.5);
  expect([...weight]).toEqual([0, 0, 0, 0, 0, 0]);
});

it('transposes', () => {
  expect([...transposed(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]);
});
