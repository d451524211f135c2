import {
  dequantize4Bit,
  dequantizeInt8,
  dequantizeLinearBlocks,
  type FourBitLayout,
  type FourBitTensors,
  type Int8Tensors,
  type LinearBlockLayout,
  type LinearBlockTensors,
  linear4Bit,
  linearBlockForms,
  linearBlocks,
  linearInt8,
  tf,
} from '@tunesmith/core';
import { approximate, type CaseInput, differentiable, float, type OpCase, positive, whole } from './op-case.js';

/** The tensors of a weight in 4 bits; some blocks are of another scale. */
function fourBitInputs({ rows, columns, blockSize }: FourBitLayout, nested: boolean): CaseInput[] {
  const blocks = Math.ceil((rows * columns) / blockSize);
  const codes = whole(0, 256, Math.ceil((rows * columns) / 2));
  if (!nested) return [codes, positive(blocks)];
  const nestedBlocks = Math.ceil(blocks / 256);
  return [codes, whole(0, 256, nestedBlocks, 256), positive(nestedBlocks, 1), positive()];
}

/** x · weightᵀ, and the weight times what is trained, so that the weight needs no gradient. */
function fourBitCases(layout: FourBitLayout, nested: boolean, ...lead: number[]): OpCase[] {
  const { type, rows, columns, blockSize } = layout;
  const title = `${type} in blocks of ${blockSize}${nested ? ', nested' : ''}`;
  const inputs = [float(...lead, columns), ...fourBitInputs(layout, nested)];
  return [
    differentiable(`linear4Bit, ${title}`, inputs, (x, ...weight) =>
      linear4Bit(x, weight as unknown as FourBitTensors, layout),
    ),
    differentiable(`dequantize4Bit, ${title}`, [float(rows, columns), ...inputs], (y, x, ...weight) =>
      tf.mul(y, dequantize4Bit(weight as unknown as FourBitTensors, layout, x)),
    ),
  ];
}

const fourBit: OpCase[] = [
  ...fourBitCases({ type: 'nf4', blockSize: 64, rows: 16, columns: 32 }, false, 2, 3),
  ...fourBitCases({ type: 'fp4', blockSize: 16, rows: 64, columns: 80 }, true, 3), // 320 blocks
  ...fourBitCases({ type: 'nf4', blockSize: 32, rows: 64, columns: 128 }, true, 3), // 256 blocks
  ...fourBitCases({ type: 'fp4', blockSize: 256, rows: 24, columns: 48 }, true, 1), // the last block is half full
  ...fourBitCases({ type: 'nf4', blockSize: 128, rows: 9, columns: 6 }, false, 3), // no multiple of 16
  ...fourBitCases({ type: 'fp4', blockSize: 16, rows: 7, columns: 5 }, true, 3), // an odd number
];

/** With outliers in some columns, in none, and not looked for; with dy rounded and as it is. */
function int8Cases(rows: number, columns: number, outlierThreshold: number, ...lead: number[]): OpCase[] {
  const weight = [whole(-127, 128, rows, columns), positive(rows)];
  return [true, false].map((integerGradient) =>
    differentiable(
      `linearInt8, outliers from ${outlierThreshold}, gradient ${integerGradient ? 'rounded' : 'as it is'}`,
      [float(...lead, columns), ...weight],
      (x, ...tensors) =>
        linearInt8(x, tensors as unknown as Int8Tensors, { rows, columns, outlierThreshold, integerGradient }),
      approximate,
    ),
  );
}

const int8: OpCase[] = [
  ...int8Cases(16, 32, 2.5, 2, 3),
  ...int8Cases(7, 5, 0, 3),
  ...int8Cases(64, 80, 6, 9),
  ...int8Cases(33, 130, 1.5, 1),
  differentiable('dequantizeInt8', [float(6, 5), whole(-127, 128, 6, 5), positive(6)], (y, ...weight) =>
    tf.mul(y, dequantizeInt8(weight as unknown as Int8Tensors, y)),
  ),
];

function linearBlockCases(layout: LinearBlockLayout, ...lead: number[]): OpCase[] {
  const { type, rows, columns } = layout;
  const { bits, hasMinimum } = linearBlockForms[type];
  const blocks = Math.ceil(columns / 32);
  const weight = [whole(0, 256, rows, blocks, 4 * bits), float(rows, blocks)];
  const inputs = [float(...lead, columns), ...weight, ...(hasMinimum ? [float(rows, blocks)] : [])];
  return [
    differentiable(
      `linearBlocks, ${type}`,
      inputs,
      (x, ...tensors) => linearBlocks(x, tensors as unknown as LinearBlockTensors, layout),
      approximate,
    ),
    differentiable(`dequantizeLinearBlocks, ${type}`, [float(rows, columns), ...inputs], (y, x, ...tensors) =>
      tf.mul(y, dequantizeLinearBlocks(tensors as unknown as LinearBlockTensors, layout, x)),
    ),
  ];
}

const linearBlock: OpCase[] = [
  ...linearBlockCases({ type: 'q8_0', rows: 16, columns: 64 }, 2, 3),
  ...linearBlockCases({ type: 'q8_0', rows: 5, columns: 70 }, 1), // the last block is not full
  ...linearBlockCases({ type: 'q4_0', rows: 24, columns: 96 }, 5),
  ...linearBlockCases({ type: 'q4_0', rows: 3, columns: 9 }, 2),
  ...linearBlockCases({ type: 'q4_1', rows: 16, columns: 64 }, 2, 3),
  ...linearBlockCases({ type: 'q4_1', rows: 5, columns: 45 }, 3),
];

/** Products with weights that are kept as codes, and their values. */
export const codedOpCases: readonly OpCase[] = [...fourBit, ...int8, ...linearBlock];
