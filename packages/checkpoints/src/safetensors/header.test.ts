import { describe, expect, it } from 'vitest';
import { formatHeader, lengthBytes, parseHeader } from './header.js';

const json = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const entry = (begin: number, end: number, dtype = 'F32', shape: unknown = [(end - begin) / 4]) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('parseHeader', () => {
  it('gives tensors in the order in which they lie, and the metadata', () => {
    const header = parseHeader(json({ b: entry(8, 16), __metadata__: { format: 'pt' }, a: entry(0, 8) }), 16, 'x');
    expect(header.metadata).toEqual({ format: 'pt' });
    expect(header.tensors).toEqual([
      { name: 'a', dtype: 'F32', shape: [2], begin: 0, end: 8 },
      { name: 'b', dtype: 'F32', shape: [2], begin: 8, end: 16 },
    ]);
  });

  it('takes empty tensors, scalars, and files without tensors', () => {
    const header = parseHeader(json({ none: entry(0, 0, 'F16', [0, 3]), one: entry(0, 8, 'F64', []) }), 8, 'x');
    expect(header.tensors.map(({ name }) => name)).toEqual(['none', 'one']);
    expect(parseHeader(json({}), 0, 'x').tensors).toEqual([]);
  });

  it.each<[string, unknown, number, RegExp]>([
    ['no JSON', '{"a":', 0, /not JSON/],
    ['no UTF-8', String.raw`{"\ud800`, 0, /not JSON/],
    ['no object', [], 0, /no JSON object/],
    [
      'a name twice',
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
      /names a twice/,
    ],
    ['a number in the metadata', { __metadata__: { format: 1 } }, 0, /no map of strings/],
    ['null for an entry', { a: null }, 0, /a has no entry/],
    [
      'an unknown dtype',
      { a: entry(0, 4, 'F8_E4M3', [4]) },
      4,
      /a has a dtype that Tunesmith does not read.*got "F8_E4M3"/,
    ],
    ['a missing dtype', { a: { shape: [], data_offsets: [0, 4] } }, 4, /a has a dtype.*got nothing/],
    ['a negative size', { a: entry(0, 4, 'F32', [-1]) }, 4, /no valid shape/],
    ['a broken size', { a: entry(0, 6, 'F32', [1.5]) }, 6, /no valid shape/],
    ['a shape that is no list', { a: entry(0, 4, 'F32', 1) }, 4, /no valid shape/],
    ['sizes whose product overflows', { a: entry(0, 4, 'F32', [2 ** 40, 2 ** 40]) }, 4, /not its size/],
    ['three offsets', { a: { dtype: 'U8', shape: [1], data_offsets: [0, 1, 2] } }, 1, /no valid data_offsets/],
    ['offsets the wrong way round', { a: entry(4, 0, 'F32', [1]) }, 4, /not its size/],
    ['a range that is not its size', { a: entry(0, 8, 'F16', [2]) }, 8, /expected 4 bytes for F16 \[2\], got 8/],
    ['an overlap', { a: entry(0, 8), b: entry(4, 12) }, 12, /b overlaps the tensor before it/],
    ['the same range twice', { a: entry(0, 8), b: entry(0, 8) }, 8, /b overlaps/],
    ['a hole', { a: entry(0, 8), b: entry(12, 16) }, 16, /a hole lies before b; expected it to begin at 8, got 12/],
    ['a hole at the start', { a: entry(4, 8) }, 8, /a hole lies before a/],
    ['a range past the end', { a: entry(0, 8) }, 7, /cut off; expected 8 bytes of tensors, got 7/],
    ['trailing bytes', { a: entry(0, 8) }, 9, /bytes lie after the last tensor/],
  ])('refuses %s', (_, header, dataBytes, message) => {
    expect(() => parseHeader(json(header), dataBytes, 'm.safetensors')).toThrow(message);
    expect(() => parseHeader(json(header), dataBytes, 'm.safetensors')).toThrow('FILE_INVALID at m.safetensors: ');
  });

  it('refuses bytes that are no UTF-8', () => {
    expect(() => parseHeader(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), 0, 'x')).toThrow('not JSON');
  });

  it('is not led astray by names of object properties', () => {
    const header = parseHeader(json('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'), 1, 'x');
    expect(header.tensors.map(({ name }) => name)).toEqual(['__proto__']);
  });
});

describe('formatHeader', () => {
  it('puts wide dtypes first, then sorts names by their bytes, and aligns the data', () => {
    const names = (tensors: [string, 'F32' | 'F16' | 'U8'][]) =>
      formatHeader(
        tensors.map(([name, dtype]) => ({ name, dtype, shape: [1] })),
        {},
      ).ordered.map(({ name }) => name);
    expect(
      names([
        ['z', 'U8'],
        ['b', 'F16'],
        ['a', 'F16'],
        ['y', 'F32'],
      ]),
    ).toEqual(['y', 'a', 'b', 'z']);
    // U+FF5E comes before U+1F600 in UTF-8, after it in UTF-16.
    expect(
      names([
        ['😀', 'U8'],
        ['～', 'U8'],
        ['B', 'U8'],
        ['a', 'U8'],
      ]),
    ).toEqual(['B', 'a', '～', '😀']);
    for (let length = 1; length < 10; length++) {
      const { bytes } = formatHeader([{ name: 'n'.repeat(length), dtype: 'U8', shape: [1] }], { format: 'pt' });
      expect(bytes.length % 8).toBe(0);
      expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBe(BigInt(bytes.length - lengthBytes));
    }
  });

  it('keeps the order of names that look like numbers', () => {
    const tensors = ['a', '10', '9'].map((name) => ({ name, dtype: 'U8' as const, shape: [1] }));
    const { bytes } = formatHeader(tensors, {});
    expect(new TextDecoder().decode(bytes.subarray(lengthBytes))).toMatch(/^\{"10":.*"9":.*"a":.*\} *$/);
  });

  it('refuses what no reader could take', () => {
    const u8 = (name: string, shape = [1]) => ({ name, dtype: 'U8' as const, shape });
    expect(() => formatHeader([u8('a'), u8('a')], {})).toThrow('FILE_INVALID at a: two tensors have this name.');
    expect(() => formatHeader([u8('__metadata__')], {})).toThrow('reserved');
    expect(() => formatHeader([u8('a', [1.5])], {})).toThrow('[1.5] is no shape');
  });
});
