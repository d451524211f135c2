import type { Dtype, Shape } from '@tunesmith/core';
import { tf } from '@tunesmith/core';
import { elementCount, type Value } from '../trace/graph.js';
import type { Lowering } from './lowering.js';
import { inputAt, type OpRule, type OpTable } from './op-rule.js';
import { normalAxes, normalAxis, range, sameShape } from './shapes.js';

const identity: OpRule = {
  infer: ([x]) => [x as Value],
  fold: ([x]) => x,
  lower: (onnx, node) => onnx.use(inputAt(node, 0)),
};

const cast: OpRule = {
  infer: ([x], { dtype }) => {
    if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') throw new Error(`it casts to ${String(dtype)}`);
    return [{ shape: (x as Value).shape, dtype }];
  },
  fold: ([x], { dtype }, make) => {
    const { shape, dtype: from, origin } = x as Value;
    if (from === dtype) return x;
    return origin.kind === 'fill'
      ? make.fill({ shape, dtype: dtype as Dtype }, castNumber(origin.value, dtype as Dtype))
      : undefined;
  },
  lower: (onnx, node) => onnx.cast(onnx.use(inputAt(node, 0)), node.attributes.dtype as Dtype),
};

function castNumber(value: number, dtype: Dtype): number {
  if (dtype === 'bool') return value === 0 ? 0 : 1;
  return dtype === 'int32' ? Math.trunc(value) | 0 : value;
}

const orderKeeping = new Set(['Reshape', 'ExpandDims']);

/** An op that keeps the elements and their order; of two in a row the first drops out. */
function reshaping(target: (x: Value, attributes: Readonly<Record<string, unknown>>) => Shape): OpRule {
  return {
    infer: ([x], attributes) => [{ shape: target(x as Value, attributes), dtype: (x as Value).dtype }],
    fold: ([x], attributes, make) => {
      const { shape, dtype, origin } = x as Value;
      const wanted = target(x as Value, attributes);
      if (sameShape(shape, wanted)) return x;
      if (origin.kind === 'fill') return make.fill({ shape: wanted, dtype }, origin.value);
      if (origin.kind === 'constant') return make.constant({ shape: wanted, dtype }, origin.data);
      const producer = make.producer(x as Value);
      const source = producer !== undefined && orderKeeping.has(producer.kernel) ? producer.inputs[0] : undefined;
      return source && make.call('Reshape', [source], { shape: wanted });
    },
    lower: (onnx, node) => onnx.reshape(onnx.use(inputAt(node, 0)), (node.outputs[0] as Value).shape),
  };
}

const transpose: OpRule = {
  infer: ([x], { perm }) => {
    const { shape, dtype } = x as Value;
    return [{ shape: (perm as number[]).map((axis) => shape[axis] as number), dtype }];
  },
  fold: ([x], { perm }) => ((perm as number[]).every((axis, index) => axis === index) ? x : undefined),
  lower: (onnx, node) => onnx.op('Transpose', [onnx.use(inputAt(node, 0))], { perm: node.attributes.perm as number[] }),
};

/** Repeats along axes. Where only axes of size 1 grow it is a broadcast, which later ops may read unexpanded. */
const tile: OpRule = {
  infer: ([x], { reps }) => {
    const { shape, dtype } = x as Value;
    return [{ shape: shape.map((size, axis) => size * ((reps as number[])[axis] as number)), dtype }];
  },
  fold: ([x], { reps }, make) => {
    const { shape, dtype, origin } = x as Value;
    if ((reps as number[]).every((count) => count === 1)) return x;
    if (origin.kind !== 'fill') return undefined;
    return make.fill(
      { shape: shape.map((size, axis) => size * ((reps as number[])[axis] as number)), dtype },
      origin.value,
    );
  },
  lower: (onnx, node) => {
    const x = inputAt(node, 0);
    const [output] = node.outputs as readonly [Value];
    const reps = node.attributes.reps as number[];
    const broadcasts = reps.every((count, axis) => count === 1 || x.shape[axis] === 1);
    if (!broadcasts) return onnx.op('Tile', [onnx.use(x), onnx.int64s(reps)]);
    return expand(onnx, x, output);
  },
};

const broadcastTo: OpRule = {
  infer: ([x], { shape }) => [{ shape: shape as number[], dtype: (x as Value).dtype }],
  fold: ([x], { shape }, make) => {
    const { origin, dtype, shape: from } = x as Value;
    if (sameShape(from, shape as number[])) return x;
    return origin.kind === 'fill' ? make.fill({ shape: shape as number[], dtype }, origin.value) : undefined;
  },
  lower: (onnx, node) => expand(onnx, inputAt(node, 0), node.outputs[0] as Value),
};

function expand(onnx: Lowering, x: Value, output: Value): string {
  const name = onnx.use(x);
  onnx.defineCompact(output, { name, shape: x.shape });
  return onnx.op('Expand', [name, onnx.int64s(output.shape)]);
}

const concat: OpRule = {
  infer: (inputs, { axis }) => {
    const { shape, dtype } = inputs[0] as Value;
    const along = normalAxis(axis, shape);
    const total = inputs.reduce((sum, input) => sum + (input.shape[along] as number), 0);
    return [{ shape: shape.map((size, index) => (index === along ? total : size)), dtype }];
  },
  fold: (inputs) => {
    const filled = inputs.filter(({ shape }) => elementCount(shape) > 0);
    return filled.length === 1 ? filled[0] : undefined;
  },
  lower: (onnx, { inputs, attributes }) => {
    const filled = inputs.filter(({ shape }) => elementCount(shape) > 0);
    const axis = normalAxis(attributes.axis, (inputs[0] as Value).shape);
    return onnx.op(
      'Concat',
      filled.map((value) => onnx.use(value)),
      { axis },
    );
  },
};

const splitV: OpRule = {
  manyOutputs: true,
  infer: ([x], { numOrSizeSplits, axis }) => {
    const { shape, dtype } = x as Value;
    const along = normalAxis(axis, shape);
    const sizes = tf.backend_util.prepareSplitSize(x as never, numOrSizeSplits as number[], along);
    return sizes.map((part) => ({ shape: shape.map((size, index) => (index === along ? part : size)), dtype }));
  },
  lower: (onnx, node) => {
    const x = inputAt(node, 0);
    const axis = normalAxis(node.attributes.axis, x.shape);
    const sizes = node.outputs.map(({ shape }) => shape[axis] as number);
    return onnx.node('Split', [onnx.use(x), onnx.int64s(sizes)], sizes.length, { attributes: { axis } });
  },
};

const pack: OpRule = {
  infer: (inputs, { axis }) => {
    const { shape, dtype } = inputs[0] as Value;
    return [{ shape: shape.toSpliced(stackAxis(axis, shape), 0, inputs.length), dtype }];
  },
  lower: (onnx, { inputs, attributes }) => {
    const axis = stackAxis(attributes.axis, (inputs[0] as Value).shape);
    const parts = inputs.map((value) => onnx.reshape(onnx.use(value), value.shape.toSpliced(axis, 0, 1)));
    return onnx.op('Concat', parts, { axis });
  },
};

/** Stacking counts negative axes by the rank of the result. */
function stackAxis(axis: unknown, shape: Shape): number {
  const value = axis as number;
  return value < 0 ? value + shape.length + 1 : value;
}

const unpack: OpRule = {
  manyOutputs: true,
  infer: ([value], { axis }) => {
    const { shape, dtype } = value as Value;
    const along = normalAxis(axis, shape);
    const part = { shape: shape.toSpliced(along, 1), dtype };
    return range(shape[along] as number).map(() => part);
  },
  lower: (onnx, node) => {
    const value = inputAt(node, 0);
    const axis = normalAxis(node.attributes.axis, value.shape);
    const sizes = node.outputs.map(() => 1);
    const parts = onnx.node('Split', [onnx.use(value), onnx.int64s(sizes)], sizes.length, { attributes: { axis } });
    return parts.map((part, index) => onnx.reshape(part, (node.outputs[index] as Value).shape));
  },
};

const expandDims = reshaping(({ shape }, { dim }) => shape.toSpliced(stackAxis(dim, shape), 0, 1));

const reverse: OpRule = {
  infer: ([x]) => [x as Value],
  fold: ([x], { dims }) => (normalAxes(dims, (x as Value).shape).length === 0 ? x : undefined),
  lower: (onnx, node) => {
    const x = inputAt(node, 0);
    const axes = normalAxes(node.attributes.dims, x.shape);
    const whole = axes.map(() => -(2 ** 31));
    const starts = onnx.int64s(axes.map(() => -1));
    return onnx.op('Slice', [onnx.use(x), starts, onnx.int64s(whole), onnx.int64s(axes), starts]);
  },
};

function shapeFrom(x: Value, shape: unknown): number[] {
  const wanted = shape as number[];
  return tf.util.inferFromImplicitShape([...wanted], elementCount(x.shape));
}

/** Kernels that move or regroup elements without computing any. */
export const layout: OpTable = {
  Identity: identity,
  Cast: cast,
  Reshape: reshaping((x, { shape }) => shapeFrom(x, shape)),
  ExpandDims: expandDims,
  Transpose: transpose,
  Tile: tile,
  BroadcastTo: broadcastTo,
  Concat: concat,
  SplitV: splitV,
  Pack: pack,
  Unpack: unpack,
  Reverse: reverse,
};
