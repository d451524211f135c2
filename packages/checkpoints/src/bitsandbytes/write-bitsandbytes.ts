import {
  dynamicMap,
  fourBitValues,
  type HostTensor,
  type MatrixShape,
  memoryTensor,
  type StoredTensor,
  type WeightCodec,
} from '@tunesmith/core';
import type { JsonObject } from '../json/strict-json.js';
import { formatQuantState, type QuantState, quantStateName } from './quant-state.js';

/** A matrix to be written as bitsandbytes keeps it. */
export interface EncodedWeight extends MatrixShape {
  readonly name: string;
  readonly codec: WeightCodec;
  readonly parts: Readonly<Record<string, HostTensor>>;
  /** The type that its values are in once decoded. */
  readonly dtype: QuantState['dtype'];
}

/** Whether a codec's matrices can be written as bitsandbytes', whose blocks of 4 bits are of 32 values and more. */
export function hasBitsandbytesForm({ settings: { type, blockSize } }: WeightCodec): boolean {
  return type === 'int8' || ((type === 'nf4' || type === 'fp4') && Number(blockSize) >= 32);
}

/** The tensors that bitsandbytes' `Linear4bit` or `Linear8bitLt` loads a matrix from: its codes, and all that belongs to these. */
export function bitsandbytesTensors(weight: EncodedWeight): StoredTensor[] {
  return weight.codec.settings.type === 'int8' ? eightBitTensors(weight) : fourBitTensors(weight);
}

function eightBitTensors({ name, parts, rows, columns }: EncodedWeight): StoredTensor[] {
  const module = name.slice(0, -'weight'.length);
  const signed = parts.codes?.data as Int8Array;
  const codes = new Uint8Array(signed.buffer, signed.byteOffset, signed.length);
  return [
    { name, dtype: 'I8', shape: [rows, columns], read: async () => codes.slice() },
    floatTensor(`${module}SCB`, parts.absmax?.data as Float32Array),
    // Row by row.
    byteTensor(`${module}weight_format`, [], Uint8Array.of(0)),
  ];
}

/** Codes are a column. */
function fourBitTensors({ name, codec, parts, dtype, rows, columns }: EncodedWeight): StoredTensor[] {
  const { type, blockSize } = codec.settings as { type: QuantState['quant_type']; blockSize: number };
  const state: QuantState = { quant_type: type, blocksize: blockSize, dtype, shape: [rows, columns] };
  const bytes = (part: string): Uint8Array => parts[part]?.data as Uint8Array;
  const floats = (part: string): Float32Array => parts[part]?.data as Float32Array;
  const codes = bytes('codes');
  const tensors = [byteTensor(name, [codes.length, 1], codes), floatTensor(`${name}.quant_map`, tableOf(type))];
  if (parts.absmax !== undefined) {
    tensors.push(floatTensor(`${name}.absmax`, floats('absmax')));
  } else {
    const blocks = Math.ceil((rows * columns) / blockSize);
    state.nested_blocksize = 256;
    state.nested_dtype = 'float32';
    state.nested_offset = floats('offset')[0] as number;
    tensors.push(
      // A codec fills up the last 256.
      byteTensor(`${name}.absmax`, [blocks], bytes('absmaxCodes').slice(0, blocks)),
      floatTensor(`${name}.nested_absmax`, floats('nestedAbsmax')),
      floatTensor(`${name}.nested_quant_map`, dynamicMap()),
    );
  }
  const said = formatQuantState(state);
  return [...tensors, byteTensor(`${name}.${quantStateName(type)}`, [said.length], said)];
}

/** What config.json says of such weights, for transformers to load them (`BitsAndBytesConfig.to_dict`). */
export function bitsandbytesConfig(
  { settings: { type, doubleQuantization } }: WeightCodec,
  dtype: QuantState['dtype'],
  skipped: readonly string[],
): JsonObject {
  if (type === 'int8') {
    return {
      ...{ quant_method: 'bitsandbytes', load_in_4bit: false, load_in_8bit: true },
      llm_int8_skip_modules: [...skipped],
    };
  }
  return {
    quant_method: 'bitsandbytes',
    load_in_4bit: true,
    load_in_8bit: false,
    bnb_4bit_quant_type: type,
    bnb_4bit_use_double_quant: doubleQuantization,
    bnb_4bit_compute_dtype: dtype,
    bnb_4bit_quant_storage: 'uint8',
    llm_int8_skip_modules: [...skipped],
  };
}

/** FP4 has two zeros, which bitsandbytes' table does not tell apart. */
function tableOf(type: QuantState['quant_type']): Float32Array {
  return fourBitValues[type].map((value) => value + 0);
}

function byteTensor(name: string, shape: readonly number[], data: Uint8Array): StoredTensor {
  return { name, dtype: 'U8', shape, read: async () => data.slice() };
}

function floatTensor(name: string, values: Float32Array): StoredTensor {
  return memoryTensor(name, [values.length], values);
}
