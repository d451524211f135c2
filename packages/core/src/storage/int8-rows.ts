import { TunesmithError } from '../errors/tunesmith-error.js';
import { fromFloat32, toFloat32 } from './float-codecs.js';

/** A matrix in 8 bits a value, its values being `code · absmax / 127` of their row (bitsandbytes, `int8_vectorwise_quant`). */
export interface Int8Rows {
  /** −127..127, row by row. */
  readonly codes: Int8Array;
  /** The largest magnitude of each row. */
  readonly absmax: Float32Array;
}

/**
 * As bitsandbytes quantises weights (bitsandbytes/nn/modules.py, `Int8Params`; backends/default/ops.py): rounded to float16
 * first, then to whole numbers, halves to even. All arithmetic is float32.
 * @throws DATA_INVALID for values that float16 does not hold
 */
export function encodeInt8(values: Float32Array, columns: number): Int8Rows {
  const halves = toFloat32('F16', fromFloat32('F16', values));
  const codes = new Int8Array(values.length);
  const absmax = new Float32Array(values.length / columns);
  for (let row = 0; row < absmax.length; row++) {
    const from = row * columns;
    let largest = 0;
    for (let index = from; index < from + columns; index++) {
      const magnitude = Math.abs(halves[index] as number);
      if (!(magnitude <= largest)) largest = magnitude;
    }
    if (!Number.isFinite(largest)) throw notHeld(row);
    absmax[row] = largest;
    if (largest === 0) continue;
    const scale = Math.fround(127 / largest);
    for (let index = from; index < from + columns; index++) {
      codes[index] = roundHalfToEven(Math.fround((halves[index] as number) * scale));
    }
  }
  return { codes, absmax };
}

/** 1 / 127 as `int8_vectorwise_dequant` has it. */
const step = Math.fround(7.874015718698502e-3);

export function decodeInt8({ codes, absmax }: Int8Rows): Float32Array {
  const columns = codes.length / absmax.length;
  const values = new Float32Array(codes.length);
  for (let index = 0; index < values.length; index++) {
    values[index] = Math.fround((codes[index] as number) * (absmax[Math.floor(index / columns)] as number)) * step;
  }
  return values;
}

function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

function notHeld(row: number): TunesmithError {
  return new TunesmithError('DATA_INVALID', 'a weight cannot be quantised that float16 does not hold', {
    where: `row ${row}`,
    expected: 'finite values of at most 65504',
  });
}
