import { TunesmithError } from '../errors/tunesmith-error.js';
import type { HostTensor } from '../program/backend.js';
import { dequantize4Bit, type FourBitLayout, type FourBitTensors, linear4Bit } from '../tensor/four-bit.js';
import type { Named, Tensor } from '../tensor/tfjs.js';
import { decodeFourBit, encodeFourBit, expandScales, nestedBlockSize, nestScales } from './four-bit-blocks.js';
import type { FourBitType } from './four-bit-tables.js';
import type { MatrixShape, WeightCodec } from './weight-codec.js';

export interface FourBitOptions {
  readonly type: FourBitType;
  /** Values that share a magnitude; 64 if not said (bitsandbytes' `quantize_4bit`). */
  readonly blockSize?: number;
  /** Whether magnitudes are kept in 8 bits too (`bnb_4bit_use_double_quant` of transformers: off). */
  readonly doubleQuantization?: boolean;
}

/** Block sizes that ONNX Runtime's kernel computes with. */
export const fourBitBlockSizes = [16, 32, 64, 128, 256] as const;

/**
 * bitsandbytes' 4-bit types: NF4 and FP4, 4.5 bits a value in blocks of 64, 4.127 with double quantisation.
 * @throws CONFIG_INVALID for a block size that it does not have
 */
export function fourBit({ type, blockSize = 64, doubleQuantization = false }: FourBitOptions): WeightCodec {
  if (!fourBitBlockSizes.some((size) => size === blockSize)) {
    throw new TunesmithError('CONFIG_INVALID', 'there are no 4-bit blocks of this size', {
      expected: fourBitBlockSizes.join(', '),
      got: String(blockSize),
    });
  }
  const layout = (shape: MatrixShape): FourBitLayout => ({ type, blockSize, ...shape });
  return {
    name: type,
    settings: { type, blockSize, doubleQuantization },
    parts({ rows, columns }) {
      const count = rows * columns;
      const blocks = Math.ceil(count / blockSize);
      const codes = { dtype: 'uint8', shape: [Math.ceil(count / 2)] } as const;
      if (!doubleQuantization) return { codes, absmax: { dtype: 'float32', shape: [blocks] } };
      const nested = Math.ceil(blocks / nestedBlockSize);
      return {
        codes,
        absmaxCodes: { dtype: 'uint8', shape: [nested, nestedBlockSize] },
        nestedAbsmax: { dtype: 'float32', shape: [nested, 1] },
        offset: { dtype: 'float32', shape: [] },
      };
    },
    encode(values) {
      const { codes, absmax } = encodeFourBit(values, type, blockSize);
      if (!doubleQuantization) return { codes: bytes(codes), absmax: floats(absmax) };
      const { absmaxCodes, nestedAbsmax, offset } = nestScales(absmax);
      const nested = nestedAbsmax.length;
      // Filled up, so that programs multiply whole rows.
      const rows = new Uint8Array(nested * nestedBlockSize);
      rows.set(absmaxCodes);
      return {
        codes: bytes(codes),
        absmaxCodes: { dtype: 'uint8', shape: [nested, nestedBlockSize], data: rows },
        nestedAbsmax: { dtype: 'float32', shape: [nested, 1], data: nestedAbsmax },
        offset: { dtype: 'float32', shape: [], data: Float32Array.of(offset) },
      };
    },
    decode(parts, { rows, columns }) {
      const data = (name: string): never => parts[name]?.data as never;
      const absmax = doubleQuantization
        ? expandScales({
            absmaxCodes: data('absmaxCodes'),
            nestedAbsmax: data('nestedAbsmax'),
            offset: (data('offset') as Float32Array)[0] as number,
          })
        : data('absmax');
      return decodeFourBit({ codes: data('codes'), absmax }, type, blockSize, rows * columns);
    },
    dequantize: (parts, shape, after) => dequantize4Bit(tensorsOf(parts), layout(shape), after),
    linear: (x, parts, shape) => linear4Bit(x, tensorsOf(parts), layout(shape)),
  };
}

function tensorsOf({ codes, absmax, absmaxCodes, nestedAbsmax, offset }: Readonly<Named<Tensor>>): FourBitTensors {
  if (absmax !== undefined) return [codes as Tensor, absmax];
  return [codes, absmaxCodes, nestedAbsmax, offset] as [Tensor, Tensor, Tensor, Tensor];
}

function bytes(data: Uint8Array): HostTensor {
  return { dtype: 'uint8', shape: [data.length], data };
}

function floats(data: Float32Array): HostTensor {
  return { dtype: 'float32', shape: [data.length], data };
}
