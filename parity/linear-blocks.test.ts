/** GGUF's linear blocks against ggml's own Python: equal codes, scales and values. How they were recorded: README.md beside this file. */
import { join } from 'node:path';
import {
  decodeLinearBlocks,
  encodeLinearBlocks,
  type LinearBlockType,
  linearBlockForms,
  randomKey,
  randomNormal,
  toFloat32,
} from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture } from './fixture-values.js';

const expected = await readFixture(join(fixtures, 'linear-blocks', 'expected.safetensors'));
const recorded = (name: string): Float32Array => expected.get(name) as Float32Array;

const types: readonly LinearBlockType[] = ['q8_0', 'q4_0', 'q4_1'];
const floats = ({ buffer, byteOffset, byteLength }: Uint16Array): Float32Array =>
  toFloat32('F16', new Uint8Array(buffer, byteOffset, byteLength));

/** A code a byte, as they are recorded. */
function unpacked(codes: Uint8Array, type: LinearBlockType): Uint8Array {
  return linearBlockForms[type].bits === 8 ? codes : codes.reduce(halvesInto, new Uint8Array(2 * codes.length));
}

function halvesInto(all: Uint8Array, byte: number, index: number): Uint8Array {
  all.set([byte & 15, byte >> 4], 2 * index);
  return all;
}

describe.each(types)('%s', (type) => {
  it.each([
    ['plain', 96],
    ['ties', 32],
  ] as const)('encodes %s weights', (name, columns) => {
    const key = `${name}.${type}`;
    const blocks = encodeLinearBlocks(recorded(name), columns, type);
    expect(floats(blocks.scales)).toEqual(recorded(`${key}.scales`));
    if (linearBlockForms[type].hasMinimum) {
      expect(floats(blocks.minimums as Uint16Array)).toEqual(recorded(`${key}.minimums`));
    } else expect(blocks.minimums).toBeUndefined();
    expect(unpacked(blocks.codes, type)).toEqual(Uint8Array.from(recorded(`${key}.codes`)));
    expect(decodeLinearBlocks(blocks, columns, type)).toEqual(recorded(`${key}.values`));
  });

  it('fills up the last block of each row, and gives back what it was given', () => {
    const key = randomKey(5, type);
    const values = Float32Array.from({ length: 3 * 45 }, (_, index) => randomNormal(key, index));
    const blocks = encodeLinearBlocks(values, 45, type);
    expect(blocks.scales.length).toBe(6);
    const decoded = decodeLinearBlocks(blocks, 45, type);
    const furthest = decoded.reduce((most, value, at) => Math.max(most, Math.abs(value - (values[at] as number))), 0);
    expect(furthest).toBeGreaterThan(1e-4);
    expect(furthest).toBeLessThan(type === 'q8_0' ? 0.02 : 0.4);
  });

  it('refuses values that are not finite', () => {
    expect(() => encodeLinearBlocks(Float32Array.of(1, 2, Number.NaN, 4), 2, type)).toThrow(/DATA_INVALID at row 1/);
  });
});
