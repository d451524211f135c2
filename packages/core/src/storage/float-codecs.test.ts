import { describe, expect, it } from 'vitest';
import { bytesPerElement, fromFloat32, isStoredDtype, toFloat32 } from './float-codecs.js';
import type { StoredDtype } from './stored-tensor.js';

const bytes16 = (halves: ArrayLike<number>) => new Uint8Array(Uint16Array.from(halves).buffer);
const halvesOf = (bytes: Uint8Array) => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
const allHalves = Uint16Array.from({ length: 0x10000 }, (_, half) => half);

/** The float32 next to a positive finite one, `by` steps away. */
function neighbour(value: number, by: number): number {
  const bits = new Uint32Array(new Float32Array([value]).buffer);
  bits[0] = (bits[0] as number) + by;
  return new Float32Array(bits.buffer)[0] as number;
}

const sixteenBit: { dtype: StoredDtype; infinity: number; known: [number, number][] }[] = [
  {
    dtype: 'F16',
    infinity: 0x7c00,
    // From the table of examples in Wikipedia's "Half-precision floating-point format".
    known: [
      [0x0001, 2 ** -24],
      [0x03ff, (1023 / 1024) * 2 ** -14],
      [0x0400, 2 ** -14],
      [0x3555, 0.333251953125],
      [0x3bff, 0.99951171875],
      [0x3c00, 1],
      [0x3c01, 1.0009765625],
      [0x7bff, 65504],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xc000, -2],
      [0xfc00, Number.NEGATIVE_INFINITY],
    ],
  },
  {
    dtype: 'BF16',
    infinity: 0x7f80,
    known: [
      [0x0001, 2 ** -133],
      [0x0080, 2 ** -126],
      [0x3f80, 1],
      [0x3f81, 1.0078125],
      [0x4049, 3.140625],
      [0x7f7f, (2 - 2 ** -7) * 2 ** 127],
      [0x7f80, Number.POSITIVE_INFINITY],
      [0xc000, -2],
    ],
  },
];

describe.each(sixteenBit)('$dtype', ({ dtype, infinity, known }) => {
  it.each(known)('decodes %i as %f', (half, value) => {
    expect([...toFloat32(dtype, bytes16([half]))]).toEqual([value]);
  });

  it('keeps the sign of zero', () => {
    expect(Object.is(toFloat32(dtype, bytes16([0x8000]))[0], -0)).toBe(true);
    expect(halvesOf(fromFloat32(dtype, Float32Array.of(-0, 0)))).toEqual(Uint16Array.of(0x8000, 0));
  });

  it('encodes each of its values to itself, and NaN to a NaN', () => {
    const decoded = toFloat32(dtype, bytes16(allHalves));
    const encoded = halvesOf(fromFloat32(dtype, decoded));
    const isNaNHalf = (half: number) => (half & 0x7fff) > infinity;
    const wrong = allHalves.filter((half) =>
      isNaNHalf(half) ? !isNaNHalf(encoded[half] ?? 0) : encoded[half] !== half,
    );
    expect([...wrong]).toEqual([]);
    expect(decoded.filter(Number.isNaN).length).toBe(allHalves.filter(isNaNHalf).length);
  });

  it('rounds to the nearest, a tie to the even neighbour, between every two neighbours', () => {
    const decoded = toFloat32(dtype, bytes16(allHalves));
    const wrong: number[] = [];
    for (let lower = 0; lower + 1 < infinity; lower++) {
      const middle = ((decoded[lower] ?? 0) + (decoded[lower + 1] ?? 0)) / 2;
      const tie = lower % 2 === 0 ? lower : lower + 1;
      const values = Float32Array.of(neighbour(middle, -1), middle, neighbour(middle, 1), -middle);
      const [below, exact, above, negative] = halvesOf(fromFloat32(dtype, values));
      if (below !== lower || exact !== tie || above !== lower + 1 || negative !== tie + 0x8000) wrong.push(lower);
    }
    expect(wrong).toEqual([]);
  });

  it('overflows to infinity from half a step above its largest value', () => {
    const largest = toFloat32(dtype, bytes16([infinity - 1]))[0] as number;
    const step = largest - (toFloat32(dtype, bytes16([infinity - 2]))[0] as number);
    const values = Float32Array.of(neighbour(largest + step / 2, -1), largest + step / 2, Number.POSITIVE_INFINITY);
    expect([...halvesOf(fromFloat32(dtype, values))]).toEqual([infinity - 1, infinity, infinity]);
  });
});

it('keeps a NaN whose payload lies in the dropped bits', () => {
  const values = new Float32Array(Uint32Array.of(0x7f800001, 0xffffffff).buffer);
  for (const dtype of ['F16', 'BF16'] as const)
    expect([...toFloat32(dtype, fromFloat32(dtype, values))]).toEqual([Number.NaN, Number.NaN]);
});

describe('F32', () => {
  it('shares aligned memory both ways', () => {
    const values = Float32Array.of(1, 2, 3);
    const bytes = fromFloat32('F32', values);
    expect(bytes.buffer).toBe(values.buffer);
    expect(toFloat32('F32', bytes.subarray(4)).buffer).toBe(values.buffer);
    expect([...toFloat32('F32', bytes.subarray(4))]).toEqual([2, 3]);
  });
});

it.each(['F64', 'I64', 'F32', 'I32', 'F16', 'BF16', 'I16', 'I8', 'U8', 'BOOL'] as const)(
  '%s reads bytes that lie off their boundary',
  (dtype) => {
    const values = Float32Array.of(1, 0, 1, 1);
    const stored = fromFloat32(dtype, values);
    expect(stored.byteLength).toBe(4 * bytesPerElement(dtype));
    const shifted = new Uint8Array(stored.byteLength + 1);
    shifted.set(stored, 1);
    expect(toFloat32(dtype, shifted.subarray(1))).toEqual(values);
  },
);

describe('whole numbers', () => {
  it.each([
    ['I64', [-(2 ** 63), -(2 ** 40), -1, 0, 2 ** 33]],
    ['I32', [-(2 ** 31), -5, 2 ** 30]],
    ['I16', [-32768, 32767]],
    ['I8', [-128, 127]],
    ['U8', [0, 255]],
    ['BOOL', [0, 1]],
  ] as const)('%s keeps its ends', (dtype, values) => {
    expect([...toFloat32(dtype, fromFloat32(dtype, Float32Array.from(values)))]).toEqual(values);
  });

  it('stores I64 as 64-bit integers', () => {
    const bytes = fromFloat32('I64', Float32Array.of(-2, 2 ** 40));
    expect([...new BigInt64Array(bytes.buffer)]).toEqual([-2n, 2n ** 40n]);
  });

  it.each([
    ['I8', 128],
    ['U8', -1],
    ['I32', 2 ** 31],
    ['I64', 2 ** 63],
    ['I16', 0.5],
    ['I32', Number.NaN],
    ['BOOL', 2],
  ] as const)('%s refuses %f', (dtype, value) => {
    expect(() => fromFloat32(dtype, Float32Array.of(0, value))).toThrow(/DATA_INVALID.*cannot hold the value at 1/);
  });
});

it('refuses a broken element', () => {
  expect(() => toFloat32('F32', new Uint8Array(6))).toThrow('SHAPE_MISMATCH');
});

it('knows its own dtypes', () => {
  expect(isStoredDtype('BF16')).toBe(true);
  expect(isStoredDtype('F8_E4M3')).toBe(false);
  expect(isStoredDtype('toString')).toBe(false);
});
