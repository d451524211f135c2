import { TunesmithError } from '../errors/tunesmith-error.js';
import type { StoredDtype } from './stored-tensor.js';

/**
 * Stored numbers to and from the engine's float32. Stored bytes are little-endian, as is every machine that runs
 * JavaScript, so typed-array views read them as they lie.
 */

const elementBytes: Record<StoredDtype, number> = {
  F64: 8,
  I64: 8,
  F32: 4,
  I32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** Whether a dtype's name, as a file gives it, is one that Tunesmith reads. */
export function isStoredDtype(name: string): name is StoredDtype {
  return Object.hasOwn(elementBytes, name);
}

/** Bytes that one element takes in storage. */
export function bytesPerElement(dtype: StoredDtype): number {
  return elementBytes[dtype];
}

/**
 * Decodes stored bytes to float32. F32 that lies on a 4-byte boundary is not copied: the result shares its memory.
 * F64 and I64 round to nearest even; F16, BF16 and the smaller integers are exact (I32 beyond 2^24 rounds).
 * @throws SHAPE_MISMATCH when the bytes are no whole number of elements.
 */
export function toFloat32(dtype: StoredDtype, bytes: Uint8Array): Float32Array {
  const size = bytesPerElement(dtype);
  const length = bytes.byteLength / size;
  if (!Number.isInteger(length)) {
    throw new TunesmithError('SHAPE_MISMATCH', `${dtype} bytes are no whole number of elements`, {
      expected: `a multiple of ${size} bytes`,
      got: `${bytes.byteLength} bytes`,
    });
  }
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer, byteOffset, length);
    case 'F16':
      return decodeHalf(new Uint16Array(buffer, byteOffset, length));
    case 'BF16':
      return decodeBrain(new Uint16Array(buffer, byteOffset, length));
    case 'F64':
      return new Float32Array(new Float64Array(buffer, byteOffset, length));
    case 'I64':
      return decodeLong(new Int32Array(buffer, byteOffset, 2 * length));
    case 'I32':
      return new Float32Array(new Int32Array(buffer, byteOffset, length));
    case 'I16':
      return new Float32Array(new Int16Array(buffer, byteOffset, length));
    case 'I8':
      return new Float32Array(new Int8Array(buffer, byteOffset, length));
    case 'U8':
      return new Float32Array(new Uint8Array(buffer, byteOffset, length));
    case 'BOOL':
      return Float32Array.from(new Uint8Array(buffer, byteOffset, length), (byte) => (byte === 0 ? 0 : 1));
  }
}

/**
 * Encodes float32 as stored bytes. F32 is not copied: the result shares the values' memory. F16 and BF16 round to
 * nearest even, overflow to infinity and keep NaN; a whole-number dtype takes only values that it holds exactly.
 * @throws DATA_INVALID for a value that a whole-number dtype cannot hold.
 */
export function fromFloat32(dtype: StoredDtype, values: Float32Array): Uint8Array {
  switch (dtype) {
    case 'F32':
      return bytesOf(values);
    case 'F16':
      return bytesOf(encodeHalf(values));
    case 'BF16':
      return bytesOf(encodeBrain(values));
    case 'F64':
      return bytesOf(new Float64Array(values));
    case 'I64':
      return bytesOf(encodeLong(whole(dtype, values, -(2 ** 63), 2 ** 63 - 1)));
    case 'I32':
      return bytesOf(new Int32Array(whole(dtype, values, -(2 ** 31), 2 ** 31 - 1)));
    case 'I16':
      return bytesOf(new Int16Array(whole(dtype, values, -(2 ** 15), 2 ** 15 - 1)));
    case 'I8':
      return bytesOf(new Int8Array(whole(dtype, values, -(2 ** 7), 2 ** 7 - 1)));
    case 'U8':
      return bytesOf(new Uint8Array(whole(dtype, values, 0, 255)));
    case 'BOOL':
      return bytesOf(new Uint8Array(whole(dtype, values, 0, 1)));
  }
}

function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** IEEE 754 binary16: sign, 5 exponent bits biased by 15, 10 mantissa bits. */
function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

let halfTable: Uint32Array | undefined;

function decodeHalf(halves: Uint16Array): Float32Array {
  halfTable ??= new Uint32Array(Float32Array.from({ length: 0x10000 }, (_, half) => halfToFloat(half)).buffer);
  const table = halfTable;
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = table[halves[i] as number] as number;
  return new Float32Array(bits.buffer);
}

function encodeHalf(values: Float32Array): Uint16Array {
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  const sum = new Float32Array(1);
  const sumBits = new Uint32Array(sum.buffer);
  for (let i = 0; i < halves.length; i++) {
    const bits = source[i] as number;
    const magnitude = bits & 0x7fffffff;
    let half: number;
    if (magnitude >= 0x47800000) {
      // 2^16 and above: infinity, or a quiet NaN.
      half = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
    } else if (magnitude < 0x38800000) {
      // Below 2^-14 half is subnormal in steps of 2^-24, the step of float32 at 0.5: adding 0.5 rounds to nearest even.
      sum[0] = Math.abs(values[i] as number) + 0.5;
      half = (sumBits[0] as number) - 0x3f000000;
    } else {
      // Rebias the exponent by 127 - 15 and round the 13 dropped bits; a carry runs into the exponent, up to infinity.
      half = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    }
    halves[i] = ((bits >>> 16) & 0x8000) | half;
  }
  return halves;
}

/** bfloat16 is the upper half of a float32. */
function decodeBrain(brains: Uint16Array): Float32Array {
  const bits = new Uint32Array(brains.length);
  for (let i = 0; i < brains.length; i++) bits[i] = (brains[i] as number) << 16;
  return new Float32Array(bits.buffer);
}

function encodeBrain(values: Float32Array): Uint16Array {
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const brains = new Uint16Array(values.length);
  for (let i = 0; i < brains.length; i++) {
    const bits = source[i] as number;
    const magnitude = bits & 0x7fffffff;
    // Rounding a NaN could carry it into infinity or zero; setting the quiet bit keeps it a NaN.
    const upper =
      magnitude > 0x7f800000 ? (magnitude >> 16) | 0x40 : (magnitude + 0x7fff + ((magnitude >> 16) & 1)) >>> 16;
    brains[i] = ((bits >>> 16) & 0x8000) | upper;
  }
  return brains;
}

const twoTo32 = 2 ** 32;

function decodeLong(words: Int32Array): Float32Array {
  const values = new Float32Array(words.length / 2);
  for (let i = 0; i < values.length; i++) {
    values[i] = (words[2 * i + 1] as number) * twoTo32 + ((words[2 * i] as number) >>> 0);
  }
  return values;
}

function encodeLong(values: Float32Array): Int32Array {
  const words = new Int32Array(2 * values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const high = Math.floor(value / twoTo32);
    words[2 * i] = value - high * twoTo32;
    words[2 * i + 1] = high;
  }
  return words;
}

function whole(dtype: StoredDtype, values: Float32Array, least: number, most: number): Float32Array {
  // 2^63 - 1 is 2^63 as a double, which I64 does not hold.
  const refused = values.findIndex((v) => !(Number.isInteger(v) && v >= least && v <= most && v < 2 ** 63));
  if (refused >= 0) {
    throw new TunesmithError('DATA_INVALID', `${dtype} cannot hold the value at ${refused}`, {
      expected: `a whole number from ${least} to ${most}`,
      got: String(values[refused]),
      hint: 'Store it as F32.',
    });
  }
  return values;
}
