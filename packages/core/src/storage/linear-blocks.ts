import { TunesmithError } from '../errors/tunesmith-error.js';
import { type LinearBlockType, linearBlockForms, linearBlockSize } from '../tensor/linear-blocks.js';
import { fromFloat32, toFloat32 } from './float-codecs.js';

/** A matrix in blocks of 32 values of a row, which are whole numbers times a scale. */
export interface LinearBlocks {
  /** Row by row and block by block; of two 4-bit codes in a byte, the first is in the low half. */
  readonly codes: Uint8Array;
  /** Of each block, as raw float16. */
  readonly scales: Uint16Array;
  /** What code 0 stands for, of each block, as raw float16; only of q4_1. */
  readonly minimums?: Uint16Array;
}

/** Blocks of one row; its last is filled up with zeros. */
export function blocksOf(columns: number): number {
  return Math.ceil(columns / linearBlockSize);
}

/**
 * As GGUF's tools quantise (ggml/src/ggml-quants.c, `quantize_row_q8_0_ref`, `quantize_row_q4_0_ref`, `quantize_row_q4_1_ref`): codes are found with
 * scales in float32, which are then kept in float16.
 * @throws DATA_INVALID for values that are not finite, or whose scale float16 does not hold
 */
export function encodeLinearBlocks(values: Float32Array, columns: number, type: LinearBlockType): LinearBlocks {
  const rows = values.length / columns;
  const perRow = blocksOf(columns);
  const { bits, hasMinimum } = linearBlockForms[type];
  const bytes = (linearBlockSize * bits) / 8;
  const codes = new Uint8Array(rows * perRow * bytes);
  const [scales, minimums] = [new Float32Array(rows * perRow), new Float32Array(rows * perRow)];
  const block = new Float32Array(linearBlockSize);
  const found = new Uint8Array(linearBlockSize);
  for (let index = 0; index < scales.length; index++) {
    const [row, at] = [Math.floor(index / perRow), (index % perRow) * linearBlockSize];
    const start = row * columns + at;
    block.fill(0);
    block.set(values.subarray(start, start + Math.min(linearBlockSize, columns - at)));
    const { scale, minimum } = quantizers[type](block, found);
    if (!(Math.abs(scale) < 65520 && Math.abs(minimum) < 65520)) throw notHeld(row);
    scales[index] = scale;
    minimums[index] = minimum;
    for (let byte = 0; byte < bytes; byte++) {
      const [low, high] = [found[2 * byte] as number, found[2 * byte + 1] as number];
      codes[index * bytes + byte] = bits === 8 ? (found[byte] as number) : low | (high << 4);
    }
  }
  return { codes, scales: halves(scales), ...(hasMinimum && { minimums: halves(minimums) }) };
}

export function decodeLinearBlocks(
  { codes, scales, minimums }: LinearBlocks,
  columns: number,
  type: LinearBlockType,
): Float32Array {
  const { bits, zero } = linearBlockForms[type];
  const perRow = blocksOf(columns);
  const bytes = (linearBlockSize * bits) / 8;
  const [scaleOf, minimumOf] = [floats(scales), minimums && floats(minimums)];
  const values = new Float32Array((scales.length / perRow) * columns);
  for (let index = 0; index < values.length; index++) {
    const [row, column] = [Math.floor(index / columns), index % columns];
    const block = row * perRow + Math.floor(column / linearBlockSize);
    const within = column % linearBlockSize;
    const byte = codes[block * bytes + (bits === 8 ? within : within >> 1)] as number;
    const code = bits === 8 ? byte : within % 2 === 0 ? byte & 15 : byte >> 4;
    const scaled = Math.fround((code - zero) * (scaleOf[block] as number));
    values[index] = minimumOf === undefined ? scaled : scaled + (minimumOf[block] as number);
  }
  return values;
}

interface Found {
  readonly scale: number;
  readonly minimum: number;
}

/** Writes a block's codes, and says what they are to be multiplied by and added to. */
const quantizers: Readonly<Record<LinearBlockType, (block: Float32Array, codes: Uint8Array) => Found>> = {
  q8_0(block, codes) {
    const scale = Math.fround(Math.abs(extreme(block)) / 127);
    const inverse = inverseOf(scale);
    for (const [at, value] of block.entries()) codes[at] = 128 + roundHalfAway(Math.fround(value * inverse));
    return { scale, minimum: 0 };
  },
  /** The value of the largest magnitude becomes code 0, which is −8, whatever its sign. */
  q4_0(block, codes) {
    const scale = Math.fround(extreme(block) / -8);
    const inverse = inverseOf(scale);
    for (const [at, value] of block.entries()) codes[at] = Math.min(15, Math.trunc(value * inverse + 8.5));
    return { scale, minimum: 0 };
  },
  q4_1(block, codes) {
    const [least, most] = [Math.min(...block), Math.max(...block)];
    const scale = Math.fround(Math.fround(most - least) / 15);
    const inverse = inverseOf(scale);
    for (const [at, value] of block.entries()) {
      const steps = Math.fround(Math.fround(Math.fround(value - least) * inverse) + 0.5);
      codes[at] = Math.min(15, Math.trunc(steps));
    }
    return { scale, minimum: least };
  },
};

/** The first value of the largest magnitude; NaN where there is one. */
function extreme(block: Float32Array): number {
  return block.reduce((most, value) => (Math.abs(value) > Math.abs(most) || Number.isNaN(value) ? value : most));
}

function inverseOf(scale: number): number {
  return scale === 0 ? 0 : Math.fround(1 / scale);
}

function roundHalfAway(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}

function halves(values: Float32Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = fromFloat32('F16', values);
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}

function floats({ buffer, byteOffset, byteLength }: Uint16Array): Float32Array {
  return toFloat32('F16', new Uint8Array(buffer, byteOffset, byteLength));
}

function notHeld(row: number): TunesmithError {
  return new TunesmithError('DATA_INVALID', 'a weight cannot be quantised whose scale float16 does not hold', {
    where: `row ${row}`,
    expected: 'finite values',
  });
}
