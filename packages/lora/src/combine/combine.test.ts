import { type AdapterTensor, randomKey, type WeightedAdapter } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { type LoraConfig, loraConfigSchema } from '../config.js';
import { lora } from '../lora.js';
import { combineLoras } from './combine.js';
import { combineOptionsSchema } from './options.js';
import { dropAndRescale, keepLargest } from './sparsify.js';
import { meanOfElected, weightedSum } from './task-arithmetic.js';

const prefix = 'base_model.model.';

/** An adapter of rank r over modules of 3 inputs and 2 outputs, A and B filled by a rule. */
function adapter(
  name: string,
  weight: number,
  config: object = {},
  paths: readonly string[] = ['layers.0.q'],
): WeightedAdapter<LoraConfig> {
  const parsed = loraConfigSchema.parse({ rank: 2, alpha: 4, targetModules: ['q', 'v'], ...config });
  const { rank } = parsed;
  const seed = name.length;
  const fill = (size: number, step: number): Float32Array =>
    Float32Array.from({ length: size }, (_, index) => Math.sin(seed * 7 + step * (index + 1)));
  const tensors = paths.flatMap((path, index): AdapterTensor[] => [
    { name: `${prefix}${path}.lora_A.weight`, shape: [rank, 3], data: fill(3 * rank, 1 + index) },
    { name: `${prefix}${path}.lora_B.weight`, shape: [2, rank], data: fill(2 * rank, 2 + index) },
  ]);
  return { name, weight, config: parsed, tensors };
}

/** Σ weight · scale · B·A of a module, [2, 3]. */
function update(adapters: readonly ReturnType<typeof adapter>[], path = 'layers.0.q'): number[] {
  const sum = new Array<number>(6).fill(0);
  for (const { weight, config, tensors } of adapters) {
    const [a, b] = ['lora_A', 'lora_B'].map((part) =>
      tensors.find(({ name }) => name === `${prefix}${path}.${part}.weight`),
    );
    if (a === undefined || b === undefined) continue;
    const [rank = 0] = a.shape;
    const scale = config.alpha / (config.useRslora ? Math.sqrt(rank) : rank);
    for (let at = 0; at < 6; at++) {
      for (let index = 0; index < rank; index++) {
        const [row, column] = [Math.floor(at / 3), at % 3];
        const product = (b.data[row * rank + index] as number) * (a.data[index * 3 + column] as number);
        sum[at] = (sum[at] as number) + weight * scale * product;
      }
    }
  }
  return sum;
}

const options = (values: object) => combineOptionsSchema.parse(values);

/** The combined adapter as one of the test's own, with weight 1. */
function combined(adapters: readonly ReturnType<typeof adapter>[], values: object) {
  const { config, tensors } = combineLoras(adapters, options(values));
  return { name: 'all', weight: 1, config: loraConfigSchema.parse(config), tensors };
}

function closeTo(got: readonly number[], expected: readonly number[]): void {
  got.forEach((value, index) => {
    expect(value).toBeCloseTo(expected[index] as number, 5);
  });
}

describe('the sum of updates', () => {
  const all = [adapter('one', 0.7), adapter('three', -0.4, { rank: 3, alpha: 5 }), adapter('seven', 0.2)];

  it.each(['cat', 'svd'])('is that of %s, whatever the ranks', (combination) => {
    closeTo(update([combined(all, { combination, svdRank: 2 })]), update(all));
  });

  it('counts rsLoRA’s scale once', () => {
    const ranked = [adapter('one', 1, { useRslora: true }), adapter('three', 1)];
    closeTo(update([combined(ranked, { combination: 'cat' })]), update(ranked));
  });

  it('takes modules that one adapter lacks from the others', () => {
    const apart = [adapter('one', 0.7, {}, ['layers.0.q', 'layers.0.v']), adapter('three', 0.5, {}, ['layers.0.v'])];
    const both = [combined(apart, { combination: 'cat' })];
    closeTo(update(both, 'layers.0.q'), update(apart, 'layers.0.q'));
    closeTo(update(both, 'layers.0.v'), update(apart, 'layers.0.v'));
  });

  it('of one adapter is that adapter, stronger or weaker, whatever is asked for', () => {
    const one = [adapter('one', -0.5)];
    closeTo(update([combined(one, { combination: 'ties' })]), update(one));
  });
});

describe('a config of the result', () => {
  it('has scale 1, and names ranks that differ', () => {
    const config = { rankPattern: { v: 3 } };
    const one = adapter('one', 1, config, ['layers.0.q']);
    const wide = { ...adapter('one', 1, { ...config, rank: 3 }, ['layers.0.v']), config: one.config };
    const both = { ...one, tensors: [...one.tensors, ...wide.tensors] };
    const result = combineLoras([both, { ...both, name: 'two' }], options({ combination: 'linear' }));
    expect(result.config).toMatchObject({ rank: 3, alpha: 3, rankPattern: { 'layers\\.0\\.q': 2 } });
    expect(result.config).toMatchObject({ alphaPattern: { 'layers\\.0\\.q': 2 } });
  });

  it('unites lists of targets, and names the paths where a union would say something else', () => {
    const q = adapter('one', 1, { targetModules: ['q'] });
    const v = adapter('three', 1, { targetModules: ['v'] }, ['layers.0.v']);
    expect(combineLoras([q, v], options({})).config.targetModules).toEqual(['q', 'v']);
    const some = adapter('seven', 1, { targetModules: ['v'], layersToTransform: [0] }, ['layers.0.v']);
    expect(combineLoras([q, some], options({})).config).toMatchObject({ targetModules: ['layers.0.q', 'layers.0.v'] });
    const expression = adapter('seven', 1, { targetModules: '.*v' }, ['layers.0.v']);
    expect(combineLoras([q, expression], options({})).config.targetModules).toEqual(['layers.0.q', 'layers.0.v']);
  });
});

describe('what is refused', () => {
  it.each([
    [
      'ranks that differ',
      [adapter('one', 1), adapter('three', 1, { rank: 3 })],
      { combination: 'ties', density: 1 },
      '"ties" combines adapters of one rank',
    ],
    [
      'no density',
      [adapter('one', 1), adapter('three', 1)],
      { combination: 'dare_ties' },
      'needs the share of values that it keeps',
    ],
    ['DoRA', [adapter('one', 1, { useDora: true }), adapter('three', 1)], {}, "DoRA's magnitudes"],
  ])('%s', (_, adapters, values, message) => {
    expect(() => combineLoras(adapters, options(values))).toThrow(message);
  });

  it('anything that is no product, and unknown options', () => {
    const whole: AdapterTensor = { name: `${prefix}lm_head.weight`, shape: [1], data: Float32Array.of(1) };
    const one = adapter('one', 1);
    expect(() => combineLoras([{ ...one, tensors: [...one.tensors, whole] }], options({}))).toThrow('lm_head.weight');
    expect(() => lora.definition.combine?.([one], { densty: 1 })).toThrow('Did you mean density');
  });
});

describe('sparsifying', () => {
  it('keeps the largest, the first of equals', () => {
    expect([...keepLargest(Float64Array.of(1, -3, 2, 2, 0.5), 0.4)]).toEqual([0, -3, 2, 0, 0]);
    expect([...keepLargest(Float64Array.of(1, -3), 1)]).toEqual([1, -3]);
    expect([...keepLargest(Float64Array.of(1, -3), 0.49)]).toEqual([0, 0]);
  });

  it('at random keeps the share, and the expectation', () => {
    const values = new Float64Array(20000).fill(2);
    const dropped = dropAndRescale(values, 0.3, randomKey(7, 'dropped'));
    const kept = dropped.filter((value) => value !== 0);
    expect(kept.length / values.length).toBeCloseTo(0.3, 1);
    expect(kept.every((value) => value === 2 / 0.3)).toBe(true);
    expect(dropped.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(2, 1);
  });

  it('by DARE depends on the seed alone', () => {
    const all = [adapter('one', 0.7), adapter('three', 0.3)];
    const draw = (seed: number) =>
      combineLoras(all, options({ combination: 'dare_linear', density: 0.5, seed })).tensors.map(({ data }) => [
        ...data,
      ]);
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});

describe('the election of signs', () => {
  const tensors = [Float64Array.of(1, -4, 1, 0), Float64Array.of(1, 1, -1, -2), Float64Array.of(-3, 1, 0, 0)];

  it('goes by sums or by numbers, plus for a draw', () => {
    expect([...meanOfElected(tensors, [1, 1, 1], 'total')]).toEqual([-3, -4, 1, -2]);
    expect([...meanOfElected(tensors, [1, 1, 1], 'frequency')]).toEqual([1, 1, 1, -2]);
  });

  it('leaves weights to the mean', () => {
    expect([...meanOfElected(tensors, [2, 1, 1], 'frequency')]).toEqual([1.5, 1, 2, -2]);
    expect([...weightedSum(tensors, [2, 1, 1])]).toEqual([0, -6, 1, -2]);
  });
});
