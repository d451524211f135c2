import { describe, expect, it } from 'vitest';
import { ia3 } from './ia3.js';
import { isFeedforward, rescale } from './scale.js';

const fromPeft = (config: object) => ia3.definition.fromPeft?.({ peft_type: 'IA3', ...config });

describe('the options', () => {
  it.each([
    [['k', 'v', 'w0'], ['w0']],
    [['k', 'v', 'w0'], []],
    ['.*(k|v|w0)$', ['w0']],
    [['k', 'v', 'w0'], '.*w0'],
    [['k', 'v'], undefined],
  ])('take targets %j and feed-forward %j', (targetModules, feedforwardModules) => {
    expect(() => ia3({ targetModules, feedforwardModules } as never)).not.toThrow();
  });

  it('refuse a feed-forward module that is no target, and what is no expression', () => {
    expect(() => ia3({ targetModules: ['k', 'v'], feedforwardModules: ['w0', 'v', 'w1'] })).toThrow(
      'CONFIG_INVALID at ia3: feedforwardModules: must be a subset of targetModules, and w0, w1 are not in it',
    );
    expect(() => ia3({ feedforwardModules: '(' })).toThrow('"(" is not a regular expression');
  });
});

describe('a PEFT config', () => {
  it('is read, whoever wrote it', () => {
    const written = {
      target_modules: ['k', 'w0'],
      feedforward_modules: [],
      fan_in_fan_out: true,
      init_ia3_weights: true,
    };
    expect(fromPeft({ ...written, exclude_modules: null, modules_to_save: ['head'] })).toEqual({
      targetModules: ['k', 'w0'],
      feedforwardModules: [],
      modulesToSave: ['head'],
    });
    expect(fromPeft({ target_modules: null, feedforward_modules: null })).toEqual({});
    expect(ia3.definition.fromPeft?.({ peft_type: 'LORA' })).toBeNull();
  });

  it('is refused where it says more than we can', () => {
    expect(() => fromPeft({ target_modules: ['k'], inject_at: 3 })).toThrow('"inject_at" of this PEFT adapter');
  });
});

it('a feed-forward entry matches the end of a path as PEFT does', () => {
  expect(isFeedforward('h.0.mlp.c_proj', ['mlp.c_proj'])).toBe(true);
  expect(isFeedforward('h.0.attn.c_proj', ['mlp.c_proj'])).toBe(false);
  // PEFT's own: without a dot before it.
  expect(isFeedforward('h.0.attn.c_proj', ['proj'])).toBe(true);
  expect(isFeedforward('h.0.attn.c_proj', 'c_proj')).toBe(false);
  expect(isFeedforward('h.0.attn.c_proj', '.*\\.c_proj')).toBe(true);
});

describe('rescale', () => {
  const scales = [1.7, -0.3, 1, 3e-5];
  const at = (values: readonly number[]) => (index: number) => values[index] as number;

  it('multiplies, rounded once, and its inverse gives the values back to a rounding', () => {
    const original = Float32Array.of(0.1, -7.3, 0, 12345.678);
    const values = original.slice();
    expect(rescale(values, at(scales), 1)).toBe(true);
    expect([...values]).toEqual([...original].map((value, index) => Math.fround(value * (scales[index] as number))));
    expect(rescale(values, at(scales), -1)).toBe(true);
    for (const [index, value] of original.entries())
      expect(Math.abs((values[index] as number) - value)).toBeLessThanOrEqual(2 ** -23 * Math.abs(value));
  });

  it.each([
    ['a scale of 0', 0],
    ['an underflow', 1e-44],
    ['an overflow', 1e39],
    ['no number', Number.NaN],
  ])('says that %s cannot be taken out', (_, scale) => {
    expect(rescale(Float32Array.of(1, 2), at([1, scale]), 1)).toBe('irreversible');
  });
});
