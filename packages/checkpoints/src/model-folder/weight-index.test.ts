import { describe, expect, it } from 'vitest';
import { parseWeightIndex, planShards, staysInside } from './weight-index.js';

describe('parseWeightIndex', () => {
  it('groups tensors by shard', () => {
    const index = { weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors', c: 'model-1.safetensors' } };
    expect([...parseWeightIndex(index, 'x')]).toEqual([
      ['model-1.safetensors', ['a', 'c']],
      ['model-2.safetensors', ['b']],
    ]);
  });

  it.each([
    '../secret.safetensors',
    '/etc/passwd',
    'a/../../b',
    'C:\\x',
    'c:x',
    'a\\..\\..\\b',
    '\\\\host\\x',
    './a',
    'a//b',
    '',
    'a\0b',
    7,
  ])('refuses %j, which leaves the folder', (file) => {
    expect(() => parseWeightIndex({ weight_map: { 'lm_head.weight': file } }, 'm/index.json')).toThrow(
      'FILE_INVALID at m/index.json: the index looks for lm_head.weight outside of its folder',
    );
  });

  it('refuses pickled shards and a missing map', () => {
    expect(() => parseWeightIndex({ weight_map: { a: 'pytorch_model-1.bin' } }, 'x')).toThrow(
      /Python pickle.*safe_serialization/,
    );
    expect(() => parseWeightIndex({ metadata: {} }, 'x')).toThrow('no weight_map');
  });
});

it('lets a path go down', () => {
  expect(staysInside('shards/model..1.safetensors')).toBe(true);
});

describe('planShards', () => {
  const plan = (sizes: number[], most: number) =>
    planShards(
      sizes.map((bytes) => ({ bytes })),
      most,
    ).map(({ file, tensors }) => [file, tensors.map(({ bytes }) => bytes)]);

  it('keeps what fits in one file', () => {
    expect(plan([4, 6], 10)).toEqual([['model.safetensors', [4, 6]]]);
    expect(plan([], 10)).toEqual([['model.safetensors', []]]);
  });

  it('begins a file when the next tensor would be too much, and gives one that is too big its own', () => {
    expect(plan([4, 6, 1, 20, 3], 10)).toEqual([
      ['model-00001-of-00004.safetensors', [4, 6]],
      ['model-00002-of-00004.safetensors', [1]],
      ['model-00003-of-00004.safetensors', [20]],
      ['model-00004-of-00004.safetensors', [3]],
    ]);
  });
});
