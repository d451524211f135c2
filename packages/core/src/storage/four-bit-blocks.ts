import { dequantizeBlocks, quantizeBlocks } from './block-quantization.js';
import { dynamicMap } from './dynamic-map.js';
import { type FourBitType, fourBitValues, sortedFourBit } from './four-bit-tables.js';

/** A tensor in 4 bits a value (bitsandbytes/functional.py, `quantize_4bit`): its values are `table[code] · absmax`. */
export interface FourBitBlocks {
  /** Two codes a byte, the first in the high half; an odd count is filled up with the code of zero. */
  readonly codes: Uint8Array;
  /** The largest magnitude of each block of the flattened tensor. */
  readonly absmax: Float32Array;
}

/** Blocks' magnitudes in 8 bits each, double quantisation (Dettmers et al. 2023, §3): `table[code] · nested + offset`. */
export interface NestedScales {
  readonly absmaxCodes: Uint8Array;
  /** The largest distance from the offset in each 256 blocks. */
  readonly nestedAbsmax: Float32Array;
  /** The mean of all magnitudes. */
  readonly offset: number;
}

/** How many blocks' magnitudes make a block of their own. */
export const nestedBlockSize = 256;

export function encodeFourBit(values: Float32Array, type: FourBitType, blockSize: number): FourBitBlocks {
  const { values: table, codes } = sortedFourBit(type);
  const { indices, absmax } = quantizeBlocks(values, table, blockSize);
  const zero = codes[table.indexOf(0)] as number;
  const packed = new Uint8Array(Math.ceil(indices.length / 2));
  for (let byte = 0; byte < packed.length; byte++) {
    const high = codes[indices[2 * byte] as number] as number;
    const second = indices[2 * byte + 1];
    packed[byte] = (high << 4) | (second === undefined ? zero : (codes[second] as number));
  }
  return { codes: packed, absmax };
}

/** The first `count` values. */
export function decodeFourBit(
  { codes, absmax }: FourBitBlocks,
  type: FourBitType,
  blockSize: number,
  count: number,
): Float32Array {
  const table = fourBitValues[type];
  const values = new Float32Array(count);
  for (let index = 0; index < count; index++) {
    const byte = codes[index >> 1] as number;
    const code = index % 2 === 0 ? byte >> 4 : byte & 15;
    values[index] = (table[code] as number) * (absmax[Math.floor(index / blockSize)] as number);
  }
  return values;
}

/** The offset is the mean, exactly rounded; PyTorch's, added in an order of its processor's, differs by a few roundings. */
export function nestScales(absmax: Float32Array, offset = mean(absmax)): NestedScales {
  const distances = absmax.map((value) => value - offset);
  const { indices, absmax: nestedAbsmax } = quantizeBlocks(distances, dynamicMap(), nestedBlockSize);
  return { absmaxCodes: indices, nestedAbsmax, offset };
}

export function expandScales({ absmaxCodes, nestedAbsmax, offset }: NestedScales): Float32Array {
  const distances = dequantizeBlocks({ indices: absmaxCodes, absmax: nestedAbsmax }, dynamicMap(), nestedBlockSize);
  return distances.map((value) => value + offset);
}

function mean(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return Math.fround(sum / values.length);
}
