/**
 * Products with weights in 8 bits for a device that has none of bytes, and that refuses empty tensors: the same numbers in
 * float32. What stands for x is x itself in columns of outliers, and the weight is unpacked.
 */
import type { Int8Layout } from '@tunesmith/core';
import type { Value } from '../trace/graph.js';
import { heldBack } from './hold-back.js';
import { int8Products, stepsOf, times, withoutOutliers } from './int8.js';
import type { Lowering } from './lowering.js';
import type { OpRule, OpTable } from './op-rule.js';

const { LinearInt8, LinearInt8Gradient } = int8Products('signed') as Record<string, OpRule>;

export const int8ProductsInFloat: OpTable = {
  LinearInt8: {
    ...(LinearInt8 as OpRule),
    lower: (onnx, { inputs, attributes }) => {
      const { outlierThreshold } = attributes as unknown as Int8Layout;
      const [x, codes, absmax] = inputs as readonly [Value, Value, Value];
      const weight = heldBack(onnx, onnx.bytes(codes, 'int8'), codes.shape, x, false);
      const values = onnx.op('DequantizeLinear', [weight, times(onnx, onnx.use(absmax), 1 / 127)], { axis: 0 });
      const transposed = onnx.op('Transpose', [values], { perm: [1, 0] });
      return onnx.op('MatMul', [roundRows(onnx, onnx.use(x), outlierThreshold), transposed]);
    },
  },
  LinearInt8Gradient: {
    ...(LinearInt8Gradient as OpRule),
    lower: (onnx, { inputs }) => {
      const [dy, codes, absmax] = inputs as readonly [Value, Value, Value];
      const weight = heldBack(onnx, onnx.bytes(codes, 'int8'), codes.shape, dy, false);
      const scaled = onnx.op('Mul', [onnx.use(dy), times(onnx, onnx.use(absmax), 1 / 127)]);
      return onnx.op('MatMul', [roundRows(onnx, scaled, 0), onnx.cast(weight, 'float32')]);
    },
  },
};

function roundRows(onnx: Lowering, x: string, outlierThreshold: number): string {
  const { ordinary, columns } = withoutOutliers(onnx, onnx.op('Abs', [x]), outlierThreshold);
  const { steps, scale } = stepsOf(onnx, x, ordinary);
  const rounded = onnx.op('Mul', [onnx.op('Round', [steps]), scale]);
  return columns === undefined ? rounded : onnx.op('Where', [columns, x, rounded]);
}
