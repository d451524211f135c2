import { dequantizeInt8, type Int8Tensors, linearInt8 } from '../tensor/int8.js';
import { decodeInt8, encodeInt8 } from './int8-rows.js';
import type { WeightCodec } from './weight-codec.js';

export interface Int8Options {
  /** Input columns that reach this magnitude are multiplied as they are; 6 if not said (`llm_int8_threshold`), 0: none. */
  readonly outlierThreshold?: number;
  /** Whether the gradient of the input is a product of whole numbers too; yes, if not said. */
  readonly integerGradient?: boolean;
}

/** LLM.int8 (Dettmers et al. 2022): a magnitude for each row, and products of whole numbers but for outliers' columns. */
export function int8({ outlierThreshold = 6, integerGradient = true }: Int8Options = {}): WeightCodec {
  return {
    name: 'int8',
    settings: { type: 'int8' },
    parts: ({ rows, columns }) => ({
      codes: { dtype: 'int8', shape: [rows, columns] },
      absmax: { dtype: 'float32', shape: [rows] },
    }),
    encode(values, { rows, columns }) {
      const { codes, absmax } = encodeInt8(values, columns);
      return {
        codes: { dtype: 'int8', shape: [rows, columns], data: codes },
        absmax: { dtype: 'float32', shape: [rows], data: absmax },
      };
    },
    decode: ({ codes, absmax }) =>
      decodeInt8({ codes: codes?.data as Int8Array, absmax: absmax?.data as Float32Array }),
    dequantize: ({ codes, absmax }, _, after) => dequantizeInt8([codes, absmax] as unknown as Int8Tensors, after),
    linear: (x, { codes, absmax }, shape) =>
      linearInt8(x, [codes, absmax] as unknown as Int8Tensors, { ...shape, outlierThreshold, integerGradient }),
  };
}
