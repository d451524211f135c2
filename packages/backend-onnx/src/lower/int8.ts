/**
 * Products with weights in 8 bits, on ONNX Runtime's kernels for whole numbers. Of those, x has to be unsigned: with signed x
 * the product takes five times as long. The weight's codes are signed; where the processor lacks the instruction for that
 * (VNNI), the kernel adds pairs of products in 16 bits and saturates, and codes are taken as unsigned with a zero point, whose
 * kernel widens them first.
 */
import { type Int8Layout, leastRowMagnitude } from '@tunesmith/core';
import type { TraceNode, Value } from '../trace/graph.js';
import { productShape } from './coded-shapes.js';
import { heldBack } from './hold-back.js';
import type { Lowering } from './lowering.js';
import { inputAt, type OpRule, type OpTable } from './op-rule.js';

/** Which numbers a kernel multiplies x by: `signed` codes, or `unsigned` ones, 128 more. */
type CodeForm = 'signed' | 'unsigned';

/** The rules of products with 8-bit weights for processors on which signed codes are multiplied exactly, or for the others. */
export function int8Products(form: CodeForm): OpTable {
  return { LinearInt8: linearInt8(form), LinearInt8Gradient: linearInt8Gradient(form) };
}

function linearInt8(form: CodeForm): OpRule {
  return {
    infer: productShape,
    lower: (onnx, node) => {
      const { rows, columns, outlierThreshold } = node.attributes as unknown as Int8Layout;
      const [x, codes, absmax] = node.inputs as readonly [Value, Value, Value];
      const scale = times(onnx, onnx.use(absmax), 1 / 127); // [rows]
      const weight = heldCodes(onnx, codes, [rows, columns], x);
      const transposed = onnx.op('Transpose', [codesAs(onnx, form, weight)], { perm: [1, 0] });
      const rounded = roundRows(onnx, onnx.use(x), outlierThreshold);
      const y = product(onnx, form, rounded, transposed, scale); // [n, rows]
      if (rounded.outliers === undefined) return y;
      const columnsOf = onnx.op('Gather', [weight, rounded.outliers.at], { axis: 1 }); // [rows, outliers]
      const values = onnx.op('DequantizeLinear', [columnsOf, scale], { axis: 0 });
      const rest = onnx.op('MatMul', [rounded.outliers.rest, onnx.op('Transpose', [values], { perm: [1, 0] })]);
      return onnx.op('Add', [y, rest]);
    },
  };
}

/** dy is taken times the weight's scales, so that what is rounded is multiplied by the codes alone. */
function linearInt8Gradient(form: CodeForm): OpRule {
  return {
    infer: ([dy], attributes) => {
      const { columns } = attributes as unknown as Int8Layout;
      return [{ shape: [...(dy as Value).shape.slice(0, -1), columns], dtype: 'float32' }];
    },
    lower: (onnx, node) => {
      const [dy, codes, absmax] = node.inputs as readonly [Value, Value, Value];
      // Signed codes are multiplied as they lie; nothing is made of them that would have to wait for dy.
      const weight = form === 'signed' ? onnx.bytes(codes, 'int8') : heldCodes(onnx, codes, codes.shape, dy);
      const scaled = onnx.op('Mul', [onnx.use(dy), times(onnx, onnx.use(absmax), 1 / 127)]);
      return product(onnx, form, roundRows(onnx, scaled, 0), codesAs(onnx, form, weight), onnx.scalar('float32', 1));
    },
  };
}

export const dequantizeInt8: OpRule = {
  infer: ([, codes]) => [{ shape: (codes as Value).shape, dtype: 'float32' }],
  lower: (onnx, node: TraceNode) => {
    const [after, codes, absmax] = [inputAt(node, 0), inputAt(node, 1), inputAt(node, 2)];
    const scale = heldBack(onnx, times(onnx, onnx.use(absmax), 1 / 127), absmax.shape, after);
    return onnx.op('DequantizeLinear', [onnx.bytes(codes, 'int8'), scale], { axis: 0 });
  },
};

interface RoundedRows {
  /** uint8 [n, columns]: 128 and the whole number that stands for a value. */
  readonly codes: string;
  /** What a whole number stands for, in each row: [n, 1]. */
  readonly scale: string;
  readonly outliers?: {
    /** The columns with outliers: [outliers], of a length that is known when the graph runs. */
    readonly at: string;
    /** What their codes leave of their values, which is what is to be multiplied as it is: [n, outliers]. */
    readonly rest: string;
  };
}

/** Equal to core's `roundRows`. Several layers that read one x share it: equal nodes are emitted once. */
function roundRows(onnx: Lowering, x: string, outlierThreshold: number): RoundedRows {
  const { ordinary, columns } = withoutOutliers(onnx, onnx.op('Abs', [x]), outlierThreshold);
  const { steps, scale } = stepsOf(onnx, x, ordinary);
  // It rounds halves to even, and outliers to the ends of the range.
  const codes = onnx.op('QuantizeLinear', [steps, onnx.scalar('float32', 1), onnx.scalar('uint8', zeroPoint)]);
  if (columns === undefined) return { codes, scale };
  const at = onnx.reshape(onnx.op('NonZero', [columns]), [-1]);
  const [values, theirCodes] = [x, codes].map((each) => onnx.op('Gather', [each, at], { axis: 1 })) as [string, string];
  const whole = onnx.op('Sub', [onnx.cast(theirCodes, 'float32'), onnx.scalar('float32', zeroPoint)]);
  return { codes, scale, outliers: { at, rest: onnx.op('Sub', [values, onnx.op('Mul', [whole, scale])]) } };
}

/** The code of zero, where codes are unsigned. */
const zeroPoint = 128;

/** Magnitudes [n, columns] with outliers as zero, and in which columns there are any, bool [columns]. */
export function withoutOutliers(
  onnx: Lowering,
  magnitudes: string,
  outlierThreshold: number,
): { readonly ordinary: string; readonly columns: string | undefined } {
  if (outlierThreshold === 0) return { ordinary: magnitudes, columns: undefined };
  const threshold = onnx.scalar('float32', outlierThreshold);
  const isOutlier = onnx.op('GreaterOrEqual', [magnitudes, threshold]);
  const largest = onnx.op('ReduceMax', [magnitudes, onnx.int64s([0])], { keepdims: 0 }); // [columns]
  return {
    ordinary: onnx.op('Where', [isOutlier, onnx.scalar('float32', 0), magnitudes]),
    columns: onnx.op('GreaterOrEqual', [largest, threshold]),
  };
}

/** x in 127ths of the largest of each row's magnitudes, and what one of them is: [n, 1]. */
export function stepsOf(
  onnx: Lowering,
  x: string,
  magnitudes: string,
): { readonly steps: string; readonly scale: string } {
  const absmax = onnx.op('ReduceMax', [magnitudes, onnx.int64s([1])], { keepdims: 1 }); // [n, 1]
  const largest = onnx.op('Max', [absmax, onnx.scalar('float32', leastRowMagnitude)]);
  const steps = onnx.op('Mul', [x, onnx.op('Div', [onnx.scalar('float32', 127), largest])]);
  return { steps, scale: times(onnx, largest, 1 / 127) };
}

/** x · weight, with x as its rows are rounded: weight [inner, outer] of codes, each column of which is scaled. */
function product(
  onnx: Lowering,
  form: CodeForm,
  { codes, scale }: RoundedRows,
  weight: string,
  weightScale: string,
): string {
  const zero = onnx.scalar('uint8', zeroPoint);
  const zeros = form === 'signed' ? [zero] : [zero, zero];
  const inputs = [codes, weight, onnx.scalar('float32', 1), weightScale, ...zeros];
  const [y] = onnx.node('MatMulIntegerToFloat', inputs, 1, { domain: 'com.microsoft' });
  return onnx.op('Mul', [y as string, scale]);
}

/**
 * Stored codes, not before `after` is known. Where ONNX Runtime does not know shapes it plans slowly: a program took
 * twice as long to open.
 */
function heldCodes(onnx: Lowering, codes: Value, shape: readonly number[], after: Value): string {
  return onnx.described(heldBack(onnx, onnx.bytes(codes, 'int8'), shape, after, false), 'int8', shape);
}

/** Codes of int8 as the kernel is to multiply by them. */
function codesAs(onnx: Lowering, form: CodeForm, codes: string): string {
  if (form === 'signed') return codes;
  return onnx.op('BitwiseXor', [onnx.cast(codes, 'uint8'), onnx.scalar('uint8', zeroPoint)]);
}

export function times(onnx: Lowering, x: string, factor: number): string {
  return onnx.op('Mul', [x, onnx.scalar('float32', factor)]);
}
