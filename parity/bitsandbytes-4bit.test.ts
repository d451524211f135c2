/**
 * 4-bit codes against bitsandbytes: equal bytes, and the errors that its own tests expect. How they were recorded:
 * README.md beside this file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  decodeFourBit,
  dynamicMap,
  encodeFourBit,
  expandScales,
  type FourBitType,
  nestScales,
  randomKey,
  randomNormal,
} from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture } from './fixture-values.js';

const folder = join(fixtures, 'bitsandbytes-4bit');
const expected = await readFixture(join(folder, 'expected.safetensors'));
const { cases } = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as {
  cases: { tensor: string; type: FourBitType; blockSize: number }[];
};
const recorded = (name: string): Float32Array => expected.get(name) as Float32Array;

/** The recorder's checksum of the values' bits, each by its place. */
function checksum(values: Float32Array): number {
  const modulus = 2 ** 24;
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  return bits.reduce((sum, each, index) => {
    const product = (each * (index + 1)) % modulus;
    return (sum + product + modulus) % modulus;
  }, 0);
}

it('has the dynamic map', () => {
  expect(dynamicMap()).toEqual(recorded('dynamic_map'));
});

it.each(cases)('encodes $tensor as $type in blocks of $blockSize', ({ tensor, type, blockSize }) => {
  const name = `${tensor}.${type}.${blockSize}`;
  const values = recorded(tensor);
  const { codes, absmax } = encodeFourBit(values, type, blockSize);
  expect(codes).toEqual(Uint8Array.from(recorded(`${name}.codes`)));
  expect(absmax).toEqual(recorded(`${name}.absmax`));
  // torch adds in an order that depends on the processor: its mean is ours up to a few roundings.
  const offset = recorded(`${name}.offset`)[0] as number;
  expect(Math.abs(nestScales(absmax).offset / offset - 1)).toBeLessThan(2 ** -21);
  const nested = nestScales(absmax, offset);
  expect(nested.nestedAbsmax).toEqual(recorded(`${name}.nested_absmax`));
  expect(nested.absmaxCodes).toEqual(Uint8Array.from(recorded(`${name}.nested_codes`)));
  if (blockSize !== 32 && blockSize !== 64) return;
  const decode = (scales: Float32Array) => decodeFourBit({ codes, absmax: scales }, type, blockSize, values.length);
  expect(checksum(decode(absmax))).toBe(recorded(`${name}.values.sum`)[0]);
  expect(checksum(decode(expandScales(nested)))).toBe(recorded(`${name}.nested_values.sum`)[0]);
});

/**
 * Mean errors on 1024² standard normal values, each with its deviation over draws (bitsandbytes,
 * tests/test_functional.py, `test_4bit_quant`), which allows seven deviations.
 */
describe('the error on normal values', () => {
  const key = randomKey(13, 'normal values');
  const values = Float32Array.from({ length: 1024 * 1024 }, (_, index) => randomNormal(key, index));
  const errorsOf = (type: FourBitType, blockSize: number, isNested = false): { absolute: number; relative: number } => {
    const { codes, absmax } = encodeFourBit(values, type, blockSize);
    const scales = isNested ? expandScales(nestScales(absmax)) : absmax;
    const decoded = decodeFourBit({ codes, absmax: scales }, type, blockSize, values.length);
    let [absolute, relative] = [0, 0];
    decoded.forEach((value, index) => {
      const exact = values[index] as number;
      absolute += Math.abs(value - exact);
      relative += Math.abs(value - exact) / (Math.abs(exact) + 1e-8);
    });
    return { absolute: absolute / values.length, relative: relative / values.length };
  };

  it.each([
    ['nf4', 32, 0.067746, 0.000069],
    ['nf4', 64, 0.072798, 0.000074],
    ['nf4', 128, 0.076831, 0.000091],
    ['nf4', 256, 0.080337, 0.000102],
    ['fp4', 64, 0.096543, 0.000111],
  ] as const)('of %s in blocks of %i is %d', (type, blockSize, mean, deviation) => {
    const { absolute, relative } = errorsOf(type, blockSize);
    expect(Math.abs(absolute - mean)).toBeLessThan(7 * deviation);
    if (type === 'nf4' && blockSize === 64) expect(Math.abs(relative - 0.203339)).toBeLessThan(7 * 0.00034);
  });

  it('hardly grows by double quantisation', () => {
    const plain = errorsOf('nf4', 64);
    const nested = errorsOf('nf4', 64, true);
    expect(nested.absolute).toBeLessThan(0.11);
    expect(nested.relative).toBeLessThan(0.28);
    expect(nested.absolute / plain.absolute).toBeGreaterThan(1);
    expect(nested.absolute / plain.absolute).toBeLessThan(1.01);
  });
});

it('packs the block that was worked out by hand', () => {
  const { codes, absmax } = encodeFourBit(
    Float32Array.from({ length: 64 }, (_, i) => (i - 31.5) / 10),
    'nf4',
    64,
  );
  expect(Buffer.from(codes).toString('hex')).toBe('00000111111112222233344445556667788899aaabbbccccddddeeeeeeefffff');
  expect(absmax[0]).toBeCloseTo(3.15, 6);
});
