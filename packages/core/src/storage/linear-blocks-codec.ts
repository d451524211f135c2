import type { HostTensor } from '../program/backend.js';
import {
  dequantizeLinearBlocks,
  type LinearBlockTensors,
  type LinearBlockType,
  linearBlockForms,
  linearBlockSize,
  linearBlocks,
} from '../tensor/linear-blocks.js';
import type { Named, Tensor } from '../tensor/tfjs.js';
import { blocksOf, decodeLinearBlocks, encodeLinearBlocks } from './linear-blocks.js';
import type { MatrixShape, PartSpec, WeightCodec } from './weight-codec.js';

export interface LinearBlockOptions {
  readonly type: LinearBlockType;
}

/**
 * Blocks of 32 values of a row that are whole numbers times a scale in float16, as GGUF has them: 8.5 bits a value (q8_0), 4.5 (q4_0), or
 * 5 with a minimum of each block's own (q4_1). What is multiplied by them is not rounded.
 */
export function linearBlockCodec({ type }: LinearBlockOptions): WeightCodec {
  const { bits, hasMinimum } = linearBlockForms[type];
  const partsOf = ({ rows, columns }: MatrixShape): Named<PartSpec> => {
    const scales = { dtype: 'float16', shape: [rows, blocksOf(columns)] } as const;
    const codes = { dtype: 'uint8', shape: [...scales.shape, (linearBlockSize * bits) / 8] } as const;
    return { codes, scales, ...(hasMinimum && { minimums: scales }) };
  };
  return {
    name: type,
    settings: { type },
    parts: partsOf,
    encode(values, shape) {
      const specs = partsOf(shape);
      const data: object = encodeLinearBlocks(values, shape.columns, type);
      return Object.fromEntries(
        Object.entries(data).map(([name, each]) => [name, { ...specs[name], data: each } as HostTensor]),
      );
    },
    decode(parts, { columns }) {
      const [codes, scales, minimums] = [parts.codes?.data, parts.scales?.data, parts.minimums?.data];
      return decodeLinearBlocks({ codes, scales, ...(hasMinimum && { minimums }) } as never, columns, type);
    },
    dequantize: (parts, shape, after) => dequantizeLinearBlocks(tensorsOf(parts), { type, ...shape }, after),
    linear: (x, parts, shape) => linearBlocks(x, tensorsOf(parts), { type, ...shape }),
  };
}

function tensorsOf({ codes, scales, minimums }: Readonly<Named<Tensor>>): LinearBlockTensors {
  return [codes, scales, minimums].filter((each) => each !== undefined) as unknown as LinearBlockTensors;
}
