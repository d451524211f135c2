import type { Dtype } from '@tunesmith/core';
import { type Attributes, elementCount, type Value } from '../trace/graph.js';
import type { Lowering } from './lowering.js';
import { inputAt, type OpRule, type OpTable } from './op-rule.js';
import { normalAxes, normalAxis, reducedShape } from './shapes.js';

/** The reduced axes; the min and max kernels name their attribute otherwise. */
function axesOf({ shape }: Value, attributes: Attributes): number[] {
  return normalAxes(attributes.reductionIndices ?? attributes.axis, shape);
}

interface Reduction {
  readonly type: string;
  /** What ONNX Runtime computes in, by the operand's type. */
  readonly compute: (dtype: Dtype) => Dtype;
  readonly result: (dtype: Dtype) => Dtype;
  /** The result over no elements. */
  readonly empty: number;
}

function reduce({ type, compute, result, empty }: Reduction): OpRule {
  return {
    infer: ([x], attributes) => {
      const { shape, dtype } = x as Value;
      const axes = axesOf(x as Value, attributes);
      return [{ shape: reducedShape(shape, axes, attributes.keepDims === true), dtype: result(dtype) }];
    },
    fold: ([x], attributes, make) => {
      const { shape, dtype } = x as Value;
      const axes = axesOf(x as Value, attributes);
      if (axes.length === 0 && dtype === result(dtype)) return x;
      if (elementCount(shape) > 0) return undefined;
      return make.fill({ shape: reducedShape(shape, axes, attributes.keepDims === true), dtype: result(dtype) }, empty);
    },
    lower: (onnx, node) => {
      const x = inputAt(node, 0);
      const type_ = compute(x.dtype);
      const operand = x.dtype === type_ ? onnx.use(x) : onnx.cast(onnx.use(x), type_);
      const axes = axesOf(x, node.attributes);
      const keepdims = node.attributes.keepDims === true ? 1 : 0;
      const folded = axes.length === 0 ? undefined : inStages(onnx, type, operand, x.shape, axes);
      const from = folded ?? operand;
      const reduced = axes.length === 0 ? operand : onnx.op(type, [from, onnx.int64s(axes)], { keepdims });
      const wanted = result(x.dtype);
      return wanted === type_ ? reduced : onnx.cast(reduced, wanted);
    },
  };
}

/** Rows from this length on are folded in two stages on a GPU. */
const longRow = 4096;

/**
 * The extrema of a long row's parts, of which the row's is one. CUDA's kernel gives a row to few threads: over the 49,152
 * logits of 2,048 tokens it took half of a training step.
 */
function inStages(
  onnx: Lowering,
  type: string,
  operand: string,
  shape: readonly number[],
  axes: readonly number[],
): string | undefined {
  const length = shape.at(-1) ?? 0;
  const isExtremum = type === 'ReduceMax' || type === 'ReduceMin';
  if (!onnx.onGpu || !isExtremum || length < longRow || axes.length !== 1 || axes[0] !== shape.length - 1)
    return undefined;
  const parts = divisorNearRoot(length);
  if (parts < 16) return undefined;
  const split = onnx.reshape(operand, [...shape.slice(0, -1), parts, length / parts]);
  return onnx.op(type, [split, onnx.int64s([shape.length])], { keepdims: 0 });
}

function divisorNearRoot(value: number): number {
  let divisor = Math.floor(Math.sqrt(value));
  while (value % divisor !== 0) divisor--;
  return divisor;
}

const numeric = (dtype: Dtype): Dtype => (dtype === 'bool' ? 'int32' : dtype);
const same = (dtype: Dtype): Dtype => dtype;
const float = (): Dtype => 'float32';

/** The first extremum's index along one axis. */
function argument(type: string): OpRule {
  return {
    infer: ([x], { axis }) => {
      const { shape } = x as Value;
      return [{ shape: reducedShape(shape, [normalAxis(axis, shape)], false), dtype: 'int32' }];
    },
    lower: (onnx, node) => {
      const x = inputAt(node, 0);
      const operand = x.dtype === 'bool' ? onnx.cast(onnx.use(x), 'int32') : onnx.use(x);
      const axis = normalAxis(node.attributes.axis, x.shape);
      return onnx.cast(onnx.op(type, [operand], { axis, keepdims: 0 }), 'int32');
    },
  };
}

const cumsum: OpRule = {
  infer: ([x]) => [{ shape: (x as Value).shape, dtype: numeric((x as Value).dtype) }],
  lower: (onnx, node) => {
    const x = inputAt(node, 0);
    const operand = x.dtype === 'bool' ? onnx.cast(onnx.use(x), 'int32') : onnx.use(x);
    const { axis, exclusive, reverse } = node.attributes;
    return onnx.op('CumSum', [operand, onnx.scalar('int64', normalAxis(axis, x.shape))], {
      exclusive: exclusive === true ? 1 : 0,
      reverse: reverse === true ? 1 : 0,
    });
  },
};

/** The k largest along the last axis, largest first; equal ones in the order of their indices. */
const topK: OpRule = {
  manyOutputs: true,
  infer: ([x], { k }) => {
    const { shape, dtype } = x as Value;
    const result = [...shape.slice(0, -1), k as number];
    return [
      { shape: result, dtype },
      { shape: result, dtype: 'int32' },
    ];
  },
  lower: (onnx: Lowering, node) => {
    const x = inputAt(node, 0);
    const operand = x.dtype === 'bool' ? onnx.cast(onnx.use(x), 'int32') : onnx.use(x);
    const attributes = { axis: -1, largest: 1, sorted: 1 };
    const [values, indices] = onnx.node('TopK', [operand, onnx.int64s([node.attributes.k as number])], 2, {
      attributes,
    });
    const chosen = x.dtype === 'bool' ? onnx.cast(values as string, 'bool') : (values as string);
    return [chosen, onnx.cast(indices as string, 'int32')];
  },
};

/** Kernels that fold or search along axes. Sums of bool count; extrema of bool stay bool. */
export const reductions: OpTable = {
  Sum: reduce({ type: 'ReduceSum', compute: numeric, result: numeric, empty: 0 }),
  Prod: reduce({ type: 'ReduceProd', compute: numeric, result: numeric, empty: 1 }),
  Mean: reduce({ type: 'ReduceMean', compute: float, result: float, empty: Number.NaN }),
  Max: reduce({ type: 'ReduceMax', compute: numeric, result: same, empty: Number.NEGATIVE_INFINITY }),
  Min: reduce({ type: 'ReduceMin', compute: numeric, result: same, empty: Number.POSITIVE_INFINITY }),
  All: reduce({ type: 'ReduceMin', compute: numeric, result: same, empty: 1 }),
  Any: reduce({ type: 'ReduceMax', compute: numeric, result: same, empty: 0 }),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Cumsum: cumsum,
  TopK: topK,
};
