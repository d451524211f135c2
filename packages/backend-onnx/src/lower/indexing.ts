import { type Shape, tf } from '@tunesmith/core';
import { elementCount, type Value } from '../trace/graph.js';
import type { Lowering } from './lowering.js';
import { inputAt, type OpRule, type OpTable } from './op-rule.js';
import { normalAxis, range, sameShape } from './shapes.js';

const slice: OpRule = {
  infer: ([x], { begin, size }) => {
    const { shape, dtype } = x as Value;
    return [{ shape: sliceBounds(shape, begin, size).sizes, dtype }];
  },
  fold: ([x], { begin, size }) => {
    const { shape } = x as Value;
    return sameShape(sliceBounds(shape, begin, size).sizes, shape) ? x : undefined;
  },
  lower: (onnx, node) => {
    const x = inputAt(node, 0);
    const { starts, sizes } = sliceBounds(x.shape, node.attributes.begin, node.attributes.size);
    const axes = range(x.shape.length).filter((axis) => sizes[axis] !== x.shape[axis]);
    const pick = (bound: (axis: number) => number): string => onnx.int64s(axes.map(bound));
    const start = (axis: number): number => starts[axis] as number;
    return onnx.op('Slice', [
      onnx.use(x),
      pick(start),
      pick((axis) => start(axis) + (sizes[axis] as number)),
      onnx.int64s(axes),
    ]);
  },
};

/** A size of −1, or one that is left out, means the rest of the axis. */
function sliceBounds(shape: Shape, begin: unknown, size: unknown): { starts: number[]; sizes: number[] } {
  const [starts, sizes] = tf.slice_util.parseSliceParams({ shape } as never, begin as number[], size as number[]);
  return { starts: starts as number[], sizes: sizes as number[] };
}

const stridedSlice: OpRule = {
  infer: ([x], attributes) => [
    { shape: strides((x as Value).shape, attributes).finalShape, dtype: (x as Value).dtype },
  ],
  lower: (onnx, node) => {
    const x = inputAt(node, 0);
    const info = strides(x.shape, node.attributes);
    // An end before the first element, for a negative stride, must not read as an offset from the end.
    const ends = info.end.map((end, axis) => ((info.strides[axis] as number) < 0 && end < 0 ? -(2 ** 31) : end));
    const axes = range(x.shape.length);
    const sliced = onnx.op('Slice', [
      onnx.use(x),
      onnx.int64s(info.begin),
      onnx.int64s(ends),
      onnx.int64s(axes),
      onnx.int64s(info.strides),
    ]);
    return onnx.reshape(sliced, info.finalShape);
  },
};

type StrideInfo = ReturnType<typeof tf.slice_util.sliceInfo>;

function strides(shape: Shape, attributes: Readonly<Record<string, unknown>>): StrideInfo {
  const list = (name: string): number[] => attributes[name] as number[];
  const mask = (name: string): number => attributes[name] as number;
  return tf.slice_util.sliceInfo(
    [...shape],
    list('begin'),
    list('end'),
    list('strides'),
    mask('beginMask'),
    mask('endMask'),
    mask('ellipsisMask'),
    mask('newAxisMask'),
    mask('shrinkAxisMask'),
  );
}

const pad: OpRule = {
  infer: ([x], { paddings }) => [{ shape: paddedShape(x as Value, paddings), dtype: (x as Value).dtype }],
  fold: ([x], { paddings, constantValue }, make) => {
    const { shape, dtype } = x as Value;
    const padded = paddedShape(x as Value, paddings);
    if (elementCount(shape) === 0) return make.fill({ shape: padded, dtype }, constantValue as number);
    return sameShape(padded, shape) ? x : undefined;
  },
  lower: (onnx, node) => {
    const x = inputAt(node, 0);
    const paddings = node.attributes.paddings as [number, number][];
    const amounts = [...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)];
    return onnx.op('Pad', [
      onnx.use(x),
      onnx.int64s(amounts),
      onnx.scalar(x.dtype, node.attributes.constantValue as number),
    ]);
  },
};

function paddedShape({ shape }: Value, paddings: unknown): number[] {
  return shape.map((size, axis) => {
    const [before, after] = (paddings as [number, number][])[axis] as [number, number];
    return size + before + after;
  });
}

/** Gathers mirrored positions along each padded axis; ONNX's Pad has no mode that repeats the edge. */
const mirrorPad: OpRule = {
  infer: ([x], { paddings }) => [{ shape: paddedShape(x as Value, paddings), dtype: (x as Value).dtype }],
  lower: (onnx, node) => {
    const x = inputAt(node, 0);
    const edge = node.attributes.mode === 'reflect' ? 0 : 1;
    const paddings = node.attributes.paddings as [number, number][];
    return paddings.reduce((name, [before, after], axis) => {
      if (before + after === 0) return name;
      const size = x.shape[axis] as number;
      const positions = range(before + size + after).map((index) => {
        const at = index - before;
        if (at < 0) return -at - edge;
        return at < size ? at : 2 * size - 2 - at + edge;
      });
      return onnx.op('Gather', [name, onnx.constant('int64', [positions.length], positions)], { axis });
    }, onnx.use(x));
  },
};

const gather: OpRule = {
  infer: ([x, indices], { axis, batchDims }) => {
    const { shape, dtype } = x as Value;
    const along = normalAxis(axis, shape);
    const batch = (batchDims as number | undefined) ?? 0;
    return [
      { shape: [...shape.slice(0, along), ...(indices as Value).shape.slice(batch), ...shape.slice(along + 1)], dtype },
    ];
  },
  lower: (onnx, node) => {
    const [x, indices] = node.inputs as readonly [Value, Value];
    const axis = normalAxis(node.attributes.axis, x.shape);
    const batch = (node.attributes.batchDims as number | undefined) ?? 0;
    if (batch === 0) return onnx.op('Gather', [onnx.use(x), int64(onnx, indices)], { axis });
    return batchedGather(onnx, node.outputs[0] as Value, x, indices, axis, batch);
  },
};

/** Brings the gathered axis right behind the batch axes, where GatherND takes it, and puts the result's axes back. */
function batchedGather(onnx: Lowering, output: Value, x: Value, indices: Value, axis: number, batch: number): string {
  const others = range(x.shape.length).filter((index) => index >= batch && index !== axis);
  const moved = onnx.op('Transpose', [onnx.use(x)], { perm: [...range(batch), axis, ...others] });
  const coordinates = onnx.reshape(int64(onnx, indices), [...indices.shape, 1]);
  const gathered = onnx.op('GatherND', [moved, coordinates], { batch_dims: batch });
  const picked = indices.shape.length - batch;
  const outer = axis - batch;
  const perm = range(output.shape.length).map((index) => {
    if (index < batch) return index;
    if (index < axis) return index + picked;
    return index < axis + picked ? index - outer : index;
  });
  return onnx.op('Transpose', [gathered], { perm });
}

const gatherNd: OpRule = {
  infer: ([params, indices]) => {
    const depth = (indices as Value).shape.at(-1) as number;
    return [
      {
        shape: [...(indices as Value).shape.slice(0, -1), ...(params as Value).shape.slice(depth)],
        dtype: (params as Value).dtype,
      },
    ];
  },
  lower: (onnx, node) => onnx.op('GatherND', [onnx.use(inputAt(node, 0)), int64(onnx, inputAt(node, 1))]),
};

/** Updates to the same place add up. */
const scatterNd: OpRule = {
  infer: ([, updates], { shape }) => [{ shape: shape as number[], dtype: (updates as Value).dtype }],
  lower: (onnx, node) => {
    const [indices, updates] = node.inputs as readonly [Value, Value];
    const { shape } = node.outputs[0] as Value;
    return scatterAdd(onnx, shape, indices, int64(onnx, indices), updates);
  },
};

function scatterAdd(
  onnx: Lowering,
  shape: Shape,
  indices: Value,
  coordinates: string,
  updates: Value,
  added = onnx.use(updates),
): string {
  const dtype = updates.dtype === 'bool' ? 'int32' : updates.dtype;
  const depth = indices.shape.at(-1) as number;
  const values = updates.dtype === dtype ? added : onnx.cast(added, dtype);
  const zeros = onnx.op('Expand', [onnx.scalar(dtype, 0), onnx.int64s(shape)]);
  const placed = onnx.reshape(values, [...indices.shape.slice(0, -1), ...shape.slice(depth)]);
  const sum = onnx.op('ScatterND', [zeros, coordinates, placed], { reduction: 'add' });
  return updates.dtype === dtype ? sum : onnx.cast(sum, updates.dtype);
}

const tensorScatterUpdate: OpRule = {
  infer: ([tensor]) => [tensor as Value],
  lower: (onnx, node) => {
    const [tensor, indices, updates] = node.inputs as readonly [Value, Value, Value];
    return onnx.op('ScatterND', [onnx.use(tensor), int64(onnx, indices), onnx.use(updates)]);
  },
};

/** Rows of one segment add up; rows of a segment that does not exist add nothing, to the first. */
const unsortedSegmentSum: OpRule = {
  infer: ([x, segmentIds], { numSegments }) => {
    const { shape, dtype } = x as Value;
    return [{ shape: [numSegments as number, ...shape.slice((segmentIds as Value).shape.length)], dtype }];
  },
  lower: (onnx, node) => {
    const [x, segmentIds] = node.inputs as readonly [Value, Value];
    const { shape } = node.outputs[0] as Value;
    const ids = onnx.use(segmentIds);
    const inside = onnx.op('And', [
      onnx.op('GreaterOrEqual', [ids, onnx.scalar('int32', 0)]),
      onnx.op('Less', [ids, onnx.scalar('int32', shape[0] as number)]),
    ]);
    const columns = Array<number>(x.shape.length - segmentIds.shape.length).fill(1);
    const counted = onnx.op('Where', [
      onnx.reshape(inside, [...segmentIds.shape, ...columns]),
      onnx.use(x),
      onnx.scalar(x.dtype, 0),
    ]);
    const routed = onnx.cast(onnx.op('Where', [inside, ids, onnx.scalar('int32', 0)]), 'int64');
    const rows = { ...segmentIds, shape: [...segmentIds.shape, 1] };
    return scatterAdd(onnx, shape, rows, onnx.reshape(routed, rows.shape), x, counted);
  },
};

/** Compares with 0 … depth − 1: ONNX's OneHot would run on the CPU under WebGPU. */
const oneHot: OpRule = {
  infer: ([indices], { depth, dtype }) => [
    { shape: [...(indices as Value).shape, depth as number], dtype: dtype as Value['dtype'] },
  ],
  lower: (onnx, node) => {
    const indices = inputAt(node, 0);
    const { depth, onValue, offValue } = node.attributes as { depth: number; onValue: number; offValue: number };
    const { dtype } = node.outputs[0] as Value;
    const column = onnx.reshape(onnx.use(indices), [...indices.shape, 1]);
    const hit = onnx.op('Equal', [column, onnx.constant('int32', [depth], range(depth))]);
    if (onValue === 1 && offValue === 0) return dtype === 'bool' ? hit : onnx.cast(hit, dtype);
    const type = dtype === 'bool' ? 'uint8' : dtype;
    const chosen = onnx.op('Where', [hit, onnx.scalar(type, onValue), onnx.scalar(type, offValue)]);
    return dtype === 'bool' ? onnx.cast(chosen, 'bool') : chosen;
  },
};

/** ONNX indexes with int64, which TensorFlow.js does not have. */
function int64(onnx: Lowering, indices: Value): string {
  return onnx.cast(onnx.use(indices), 'int64');
}

/** Kernels that read or write at positions. */
export const indexing: OpTable = {
  Slice: slice,
  StridedSlice: stridedSlice,
  PadV2: pad,
  MirrorPad: mirrorPad,
  GatherV2: gather,
  GatherNd: gatherNd,
  ScatterNd: scatterNd,
  TensorScatterUpdate: tensorScatterUpdate,
  UnsortedSegmentSum: unsortedSegmentSum,
  OneHot: oneHot,
};
