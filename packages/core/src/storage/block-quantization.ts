import { TunesmithError } from '../errors/tunesmith-error.js';

/**
 * Blockwise quantisation as bitsandbytes' default backend does it (bitsandbytes/backends/default/ops.py,
 * `quantize_blockwise`, `quantize_4bit`): each block of a flattened tensor is divided by its largest magnitude, and every
 * quotient becomes the nearest value of a table. All arithmetic is float32, rounded where the reference rounds.
 */
export interface QuantizedBlocks {
  /** The index of each value in the sorted table; of a value half-way between two, the lower. */
  readonly indices: Uint8Array;
  /** The largest magnitude of each block. */
  readonly absmax: Float32Array;
}

/** What a block of zeros is divided by. */
export const leastAbsmax = Math.fround(1e-38);

/**
 * @param table sorted values in −1..1
 * @throws DATA_INVALID for values that are not finite
 */
export function quantizeBlocks(values: Float32Array, table: Float32Array, blockSize: number): QuantizedBlocks {
  const bounds = midpoints(table);
  const starts = searchStarts(bounds);
  const indices = new Uint8Array(values.length);
  const absmax = new Float32Array(Math.ceil(values.length / blockSize));
  for (let block = 0; block < absmax.length; block++) {
    const from = block * blockSize;
    const to = Math.min(from + blockSize, values.length);
    const largest = largestMagnitude(values, from, to);
    const divisor = Math.max(largest, leastAbsmax);
    const isWhole = to - from === blockSize;
    absmax[block] = isWhole ? largest : divisor;
    // A last block that is not full is divided, not multiplied by the reciprocal: it rounds otherwise.
    const reciprocal = Math.fround(1 / divisor);
    for (let index = from; index < to; index++) {
      const value = values[index] as number;
      const quotient = isWhole ? Math.fround(value * reciprocal) : Math.fround(value / divisor);
      // How many bounds are below it: `torch.bucketize`.
      let count = starts[((quotient + 1) * (cells / 2)) | 0] as number;
      while ((bounds[count] as number) < quotient) count++;
      indices[index] = count;
    }
  }
  return { indices, absmax };
}

/** `table[index] · absmax` of each value's block. */
export function dequantizeBlocks(
  { indices, absmax }: QuantizedBlocks,
  table: Float32Array,
  blockSize: number,
): Float32Array {
  const values = new Float32Array(indices.length);
  for (let index = 0; index < values.length; index++) {
    values[index] = (table[indices[index] as number] as number) * (absmax[Math.floor(index / blockSize)] as number);
  }
  return values;
}

function largestMagnitude(values: Float32Array, from: number, to: number): number {
  let largest = 0;
  for (let index = from; index < to; index++) {
    const magnitude = Math.abs(values[index] as number);
    if (!(magnitude <= largest)) largest = magnitude;
  }
  if (Number.isFinite(largest)) return largest;
  throw new TunesmithError('DATA_INVALID', 'a weight that is not finite cannot be quantised', {
    got: `${largest} between elements ${from} and ${to}`,
  });
}

/** What lies half-way between neighbours of a sorted table. */
export function midpoints(table: Float32Array): Float32Array {
  return table.slice(1).map((value, index) => Math.fround(value + (table[index] as number)) / 2);
}

/** How finely −1..1 is divided to find a value's place. */
const cells = 2048;

/** How many of the sorted bounds are below what any value of each cell is at least: where its search begins. */
function searchStarts(bounds: Float32Array): Uint8Array {
  return Uint8Array.from({ length: cells + 1 }, (_, cell) => {
    // A little less than the cell's edge, for the sake of values whose cell is rounded up.
    const edge = (2 * cell) / cells - 1 - 1e-6;
    return bounds.filter((bound) => bound < edge).length;
  });
}
