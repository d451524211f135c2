import { type LinearBlockType, toFloat32 } from '@tunesmith/core';

/** How a tensor's rows are cut into blocks, and how many bytes each takes. */
export interface BlockType {
  readonly name: string;
  readonly blockElements: number;
  readonly blockBytes: number;
  /** Decodes whole blocks; every product and sum is rounded to float32. */
  decode(bytes: Uint8Array): Float32Array;
  /** The codec that keeps such blocks as they are. */
  readonly linear?: LinearBlockType;
}

const { fround } = Math;

/**
 * The block types of GGUF that are read, by the number that files have for them (ggml's `ggml_type`). Layouts are those of
 * ggml-common.h, all of them little-endian; a block's numbers are of consecutive columns of one row.
 */
export const blockTypes: ReadonlyMap<number, BlockType> = new Map<number, BlockType>([
  // float16 d, then 16 bytes: low nibbles are the first half of the values. v = d · (nibble − 8), and −0 changes no sum
  [
    2,
    { ...blocks('Q4_0', 32, 18, (block, values) => nibbles(block, 2, values, half(block, 0), -8, -0)), linear: 'q4_0' },
  ],
  // float16 d and m, then nibbles as above. v = d · nibble + m
  [
    3,
    {
      ...blocks('Q4_1', 32, 20, (block, values) => nibbles(block, 4, values, half(block, 0), 0, half(block, 2))),
      linear: 'q4_1',
    },
  ],
  // float16 d, then 32 int8. v = d · code
  [8, { ...blocks('Q8_0', 32, 34, eightBit), linear: 'q8_0' }],
  [12, blocks('Q4_K', 256, 144, fourBitSuper)],
  [14, blocks('Q6_K', 256, 210, sixBitSuper)],
]);

/** What else files may hold, for an error that says the type by its name. */
export const otherTypes: Readonly<Record<number, string>> = {
  ...{ 6: 'Q5_0', 7: 'Q5_1', 9: 'Q8_1', 10: 'Q2_K', 11: 'Q3_K', 13: 'Q5_K', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS' },
  ...{
    18: 'IQ3_XXS',
    19: 'IQ1_S',
    20: 'IQ4_NL',
    21: 'IQ3_S',
    22: 'IQ2_S',
    23: 'IQ4_XS',
    24: 'I8',
    25: 'I16',
    26: 'I32',
  },
  ...{ 27: 'I64', 28: 'F64', 29: 'IQ1_M', 34: 'TQ1_0', 35: 'TQ2_0', 39: 'MXFP4' },
};

function blocks(
  name: string,
  blockElements: number,
  blockBytes: number,
  decodeBlock: (block: Uint8Array, values: Float32Array) => void,
): BlockType {
  return {
    ...{ name, blockElements, blockBytes },
    decode(bytes) {
      const count = bytes.length / blockBytes;
      const values = new Float32Array(count * blockElements);
      for (let index = 0; index < count; index++) {
        decodeBlock(
          bytes.subarray(index * blockBytes, (index + 1) * blockBytes),
          values.subarray(index * blockElements, (index + 1) * blockElements),
        );
      }
      return values;
    },
  };
}

function half(bytes: Uint8Array, offset: number): number {
  return toFloat32('F16', bytes.subarray(offset, offset + 2))[0] as number;
}

function nibbles(
  block: Uint8Array,
  from: number,
  values: Float32Array,
  scale: number,
  shift: number,
  least: number,
): void {
  const middle = values.length / 2;
  for (let index = 0; index < middle; index++) {
    const byte = block[from + index] as number;
    values[index] = fround(scale * ((byte & 15) + shift)) + least;
    values[middle + index] = fround(scale * ((byte >> 4) + shift)) + least;
  }
}

function eightBit(block: Uint8Array, values: Float32Array): void {
  const scale = half(block, 0);
  for (let index = 0; index < values.length; index++) values[index] = scale * signed(block[2 + index] as number);
}

/**
 * 8 sub-blocks of 32: float16 d and dmin, 12 bytes of a 6-bit scale s and minimum m each, 128 bytes of nibbles in which two
 * sub-blocks share 32 bytes. v = d·s · nibble − dmin·m
 */
function fourBitSuper(block: Uint8Array, values: Float32Array): void {
  const [d, dmin] = [half(block, 0), half(block, 2)];
  const packed = block.subarray(4, 16);
  const at = (index: number): number => packed[index] as number;
  for (let part = 0; part < 8; part++) {
    // The first four have 6 bits together; the others their low nibbles in the last 4 bytes, and 2 bits above the first's.
    const isFirst = part < 4;
    const low = isFirst ? part : part + 4;
    const scale = isFirst ? at(part) & 63 : (at(low) & 15) | ((at(part - 4) >> 6) << 4);
    const least = isFirst ? at(part + 4) & 63 : (at(low) >> 4) | ((at(part) >> 6) << 4);
    const [step, offset] = [fround(d * scale), fround(dmin * least)];
    const from = 16 + 32 * (part >> 1);
    for (let index = 0; index < 32; index++) {
      const byte = block[from + index] as number;
      values[32 * part + index] = fround(step * (part % 2 === 0 ? byte & 15 : byte >> 4)) - offset;
    }
  }
}

/**
 * 16 sub-blocks of 16: 128 bytes of low nibbles and 64 of upper pairs of bits, 16 int8 scales s, float16 d.
 * v = d·s · (code − 32), where codes lie in halves of 128 values, and within these in quarters of 32.
 */
function sixBitSuper(block: Uint8Array, values: Float32Array): void {
  const d = half(block, 208);
  for (let index = 0; index < 256; index++) {
    const [halfOf, quarter, column] = [index >> 7, (index >> 5) & 3, index & 31];
    const low = ((block[64 * halfOf + 32 * (quarter & 1) + column] as number) >> (quarter < 2 ? 0 : 4)) & 15;
    const high = ((block[128 + 32 * halfOf + column] as number) >> (2 * quarter)) & 3;
    const step = fround(d * signed(block[192 + (index >> 4)] as number));
    values[index] = step * ((low | (high << 4)) - 32);
  }
}

function signed(byte: number): number {
  return (byte << 24) >> 24;
}
