import '@tensorflow/tfjs-backend-cpu';
import {
  dequantize4Bit,
  dequantizeInt8,
  dequantizeLinearBlocks,
  type FourBitLayout,
  geGlu,
  gelu,
  geluTanh,
  type HostTensor,
  holdBack,
  type Int8Layout,
  type LinearBlockLayout,
  layerNorm,
  linear4Bit,
  linearBlocks,
  linearInt8,
  type Program,
  rmsNorm,
  rotary,
  scatterAdd,
  silu,
  swiGlu,
  type Tensor,
  tf,
} from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { createOnnxBackend } from '../index.js';
import { kernelsWithoutLowering } from './kernels-without-lowering-table.js';
import { opTable } from './op-table.js';

type Call = (...inputs: Tensor[]) => Tensor | Tensor[];

/** A kernel, the operands that its call is given, and the call; every kernel of the table has at least one. */
type Case = readonly [kernel: keyof typeof opTable, operands: readonly HostTensor[], call: Call];

const f = (shape: number[], scale = 1): HostTensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from({ length: size(shape) }, (_, index) => Math.sin(index * 1.7 + 0.3) * scale),
});
/** Positive floats. */
const p = (shape: number[]): HostTensor => ({
  dtype: 'float32',
  shape,
  data: (f(shape).data as Float32Array).map((v) => v + 1.5),
});
const i = (shape: number[], values?: number[]): HostTensor => ({
  dtype: 'int32',
  shape,
  data: Int32Array.from(values ?? Array.from({ length: size(shape) }, (_, index) => ((index * 7) % 11) - 5)),
});
const b = (shape: number[], every = 2): HostTensor => ({
  dtype: 'bool',
  shape,
  data: Uint8Array.from({ length: size(shape) }, (_, index) => (index % every === 0 ? 1 : 0)),
});
const floats = (...values: number[]): HostTensor => ({
  dtype: 'float32',
  shape: [values.length],
  data: Float32Array.from(values),
});

function size(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

const unary = (name: keyof typeof opTable, op: (x: Tensor) => Tensor, ...operands: HostTensor[]): Case[] =>
  operands.map((operand) => [name, [operand], op]);

const special = floats(0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-7, -1e-7, 30, -30, 1e30);
const odd = floats(0, 1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -3);
const row = f([3]);
const square = f([2, 3], 3);
const cube = f([2, 3, 4], 2);
const whole = i([2, 3]);
const bytes = (shape: number[]): HostTensor =>
  i(
    shape,
    Array.from({ length: size(shape) }, (_, index) => (index * 71 + 13) % 256),
  );
const nf4: FourBitLayout = { type: 'nf4', blockSize: 16, rows: 4, columns: 8 };
const fp4: FourBitLayout = { type: 'fp4', blockSize: 16, rows: 5, columns: 9 };
const q4: LinearBlockLayout = { type: 'q4_1', rows: 5, columns: 40 };
const int8: Int8Layout = { rows: 5, columns: 11, outlierThreshold: 2, integerGradient: true };

const cases: readonly Case[] = [
  ...unary('Acos', tf.acos, f([5])),
  ...unary('Acosh', (x) => tf.acosh(tf.add(x, 2)), p([5])),
  ...unary('Asin', tf.asin, f([5])),
  ...unary('Asinh', tf.asinh, square),
  ...unary('Atan', tf.atan, square),
  ...unary('Atanh', tf.atanh, f([5], 0.9)),
  ...unary('Cos', tf.cos, square),
  ...unary('Cosh', tf.cosh, square),
  ...unary('Sin', tf.sin, square),
  ...unary('Sinh', tf.sinh, square),
  ...unary('Tan', tf.tan, f([5])),
  ...unary('Tanh', tf.tanh, special),
  ...unary('Ceil', tf.ceil, special),
  ...unary('Erf', tf.erf, special),
  ...unary('Floor', tf.floor, special),
  ...unary('Log', tf.log, p([2, 3])),
  ...unary('Reciprocal', tf.reciprocal, p([2, 3])),
  ...unary('Round', tf.round, special),
  ...unary('Sigmoid', tf.sigmoid, special),
  ...unary('Softplus', tf.softplus, special),
  ...unary('Sqrt', tf.sqrt, p([2, 3])),
  ...unary('Exp', tf.exp, f([2, 3], 5), whole),
  ...unary('Expm1', tf.expm1, floats(0, -0, 1e-7, -1e-7, 1e-3, -1e-3, 0.9, -0.9, 3, -20, 80)),
  ...unary('Log1p', tf.log1p, floats(0, 1e-7, -1e-7, 1e-3, -0.5, 3, 1e30, Number.POSITIVE_INFINITY)),
  ...unary('Rsqrt', tf.rsqrt, p([2, 3])),
  ...unary('Elu', tf.elu, special),
  ...unary('Selu', tf.selu, special),
  ...unary('LeakyRelu', (x) => tf.leakyRelu(x, 0.1), special),
  ...unary('Relu', tf.relu, special, whole),
  ...unary('Relu6', tf.relu6, f([7], 9)),
  ...unary('ClipByValue', (x) => tf.clipByValue(x, -1, 2), square, whole),
  ...unary('Step', (x) => tf.step(x, 0.25), special),
  ...unary('Abs', tf.abs, special, whole),
  ...unary('Neg', tf.neg, special, whole),
  ...unary('Sign', tf.sign, special, whole),
  ...unary('Square', tf.square, square, whole),
  ...unary('IsNan', tf.isNaN, odd),
  ...unary('IsInf', tf.isInf, odd),
  ...unary('IsFinite', tf.isFinite, odd),
  ...unary('LogicalNot', (x) => tf.logicalNot(x), b([5])),
  ['Add', [square, row], tf.add],
  ['Add', [whole, i([1, 3])], tf.add],
  ['Add', [square], (x) => tf.add(x, 0)],
  ['Add', [f([1, 3])], (x) => tf.add(x, tf.zeros([2, 3]))],
  ['Sub', [square, row], tf.sub],
  ['Sub', [square], (x) => tf.sub(0, x)],
  ['Sub', [whole, i([3])], tf.sub],
  ['Multiply', [cube, f([3, 1])], tf.mul],
  ['Multiply', [whole, square], tf.mul],
  ['Multiply', [f([1, 3])], (x) => tf.mul(x, tf.ones([2, 3]))],
  ['Multiply', [], () => tf.mul(tf.ones([2, 3]), tf.fill([2, 3], 4))],
  ['Multiply', [b([4]), b([4], 3)], tf.mul],
  ['RealDiv', [square, p([3])], tf.div],
  ['RealDiv', [p([3])], (x) => tf.div(1, x)],
  ['FloorDiv', [i([8], [7, -7, 7, -7, 6, 0, 5, 1]), i([8], [2, 2, -2, -2, 3, 5, 0, -3])], tf.floorDiv],
  ['Mod', [i([6], [7, -7, 7, -7, 6, 0]), i([6], [3, 3, -3, -3, 3, 5])], tf.mod],
  ['Mod', [floats(7.5, -7.5, 7.5, -7.5, 6, -0.25), floats(2, 2, -2, -2, 3, 5)], tf.mod],
  ['Pow', [p([2, 3]), row], tf.pow],
  ['Pow', [square], (x) => tf.pow(x, tf.scalar(3))],
  ['Pow', [whole, i([3], [0, 1, 2])], tf.pow],
  ['Maximum', [square, row], tf.maximum],
  ['Maximum', [whole, i([3])], tf.maximum],
  ['Minimum', [square, row], tf.minimum],
  ['Minimum', [b([4]), b([4], 3)], tf.minimum],
  ['SquaredDifference', [square, row], tf.squaredDifference],
  ['Prelu', [square, row], tf.prelu],
  ['EluGrad', [special, f([14])], (x, dy) => tf.grad((v) => tf.elu(v))(x, dy)],
  [
    'BitwiseAnd',
    [i([4], [5, 6, 7, 8]), i([4], [3, 3, 12, 8])],
    (x, y) => tf.engine().runKernel('BitwiseAnd', { a: x, b: y }),
  ],
  ['Equal', [whole, i([3])], tf.equal],
  ['Equal', [b([4]), b([4], 3)], tf.equal],
  ['NotEqual', [whole, i([3])], tf.notEqual],
  ['Less', [square, row], tf.less],
  ['LessEqual', [whole, i([3])], tf.lessEqual],
  ['Greater', [square, row], tf.greater],
  ['Greater', [b([4]), b([4], 3)], tf.greater],
  ['GreaterEqual', [whole, i([3])], tf.greaterEqual],
  ['LogicalAnd', [b([2, 3]), b([3])], tf.logicalAnd],
  ['LogicalOr', [b([2, 3]), b([3])], tf.logicalOr],
  ['AddN', [square, f([2, 3], 2), f([2, 3], 5)], (...terms) => tf.addN(terms)],
  ['Select', [b([2, 3]), square, row], (c, x, y) => tf.where(c, x, y)],
  ['Select', [b([2, 1]), square, f([1])], (c, x, y) => tf.where(c, x, y)],
  ['Select', [b([2, 3]), b([2, 3], 3), b([2, 3], 4)], (c, x, y) => tf.where(c, x, y)],
  ['Select', [b([2, 3]), whole, i([3])], (c, x, y) => tf.where(c, x, y)],
  ['Select', [b([2, 3])], (c) => tf.where(c, tf.scalar(1), tf.scalar(-1e9))],
  ['Sum', [cube], (x) => tf.sum(x, [0, -1])],
  ['Sum', [cube], (x) => tf.sum(x)],
  ['Sum', [cube], (x) => tf.sum(x, [], true)],
  ['Sum', [b([2, 3])], (x) => tf.sum(x, 1)],
  ['Sum', [whole], (x) => tf.sum(x, 0, true)],
  ['Sum', [f([0, 3])], (x) => tf.sum(x, 0)],
  ['Prod', [cube], (x) => tf.prod(x, 1)],
  ['Prod', [f([0, 3])], (x) => tf.prod(x, 0)],
  ['Mean', [cube], (x) => tf.mean(x, -1, true)],
  ['Mean', [whole], (x) => tf.mean(x)],
  ['Max', [cube], (x) => tf.max(x, 1)],
  ['Max', [whole], (x) => tf.max(x, [-1], true)],
  ['Max', [b([2, 3])], (x) => tf.max(x, 1)],
  ['Min', [cube], (x) => tf.min(x, [0, 2])],
  ['All', [b([2, 3])], (x) => tf.all(x, 0)],
  ['Any', [b([2, 3])], (x) => tf.any(x, -1, true)],
  ['ArgMax', [cube], (x) => tf.argMax(x, 1)],
  ['ArgMax', [floats(1, 3, 3, 2)], (x) => tf.argMax(x)],
  ['ArgMin', [whole], (x) => tf.argMin(x, -1)],
  ['Cumsum', [cube], (x) => tf.cumsum(x, 1)],
  ['Cumsum', [whole], (x) => tf.cumsum(x, 1, true, true)],
  ['TopK', [floats(3, 1, 3, 2, 5)], (x) => Object.values(tf.topk(x, 3)) as Tensor[]],
  ['TopK', [i([2, 4])], (x) => Object.values(tf.topk(x, 2)) as Tensor[]],
  ['BatchMatMul', [square, f([3, 4])], (x, y) => tf.matMul(x, y)],
  ['BatchMatMul', [cube, f([2, 5, 4])], (x, y) => tf.matMul(x, y, false, true)],
  ['BatchMatMul', [cube, f([3, 5])], (x, y) => tf.matMul(x, y, true, false)],
  ['BatchMatMul', [f([2, 0]), f([0, 3])], (x, y) => tf.matMul(x, y)],
  [
    '_FusedMatMul',
    [square, f([3, 4]), f([4])],
    (a, weight, bias) => tf.fused.matMul({ a, b: weight, bias, activation: 'relu' }),
  ],
  ['Einsum', [cube, f([4, 5])], (x, y) => tf.einsum('abc,cd->bad', x, y)],
  ['Softmax', [f([2, 5], 9)], (x) => tf.softmax(x)],
  ['LogSoftmax', [f([2, 5], 9)], (x) => tf.logSoftmax(x)],
  ['Identity', [square], (x) => tf.clone(x)],
  ['Cast', [special], (x) => [tf.cast(x, 'int32'), tf.cast(x, 'bool')].slice(1)],
  ['Cast', [floats(1.9, -1.9, 0.5, -0.5)], (x) => tf.cast(x, 'int32')],
  ['Cast', [b([3])], (x) => tf.cast(x, 'float32')],
  ['Reshape', [cube], (x) => tf.reshape(x, [4, -1])],
  ['ExpandDims', [square], (x) => tf.expandDims(x, -1)],
  ['Transpose', [cube], (x) => tf.transpose(x, [2, 0, 1])],
  ['Transpose', [b([2, 3])], (x) => tf.transpose(x)],
  ['Tile', [square], (x) => tf.tile(x, [2, 3])],
  ['Tile', [b([2, 1])], (x) => tf.tile(x, [1, 3])],
  ['BroadcastTo', [row], (x) => tf.broadcastTo(x, [2, 3])],
  ['Concat', [square, f([2, 1]), f([2, 0])], (...parts) => tf.concat(parts, -1)],
  ['Concat', [b([2]), b([3])], (...parts) => tf.concat(parts)],
  ['SplitV', [cube], (x) => tf.split(x, [1, -1], -1)],
  ['SplitV', [cube], (x) => tf.split(x, 1, 0)],
  ['Pack', [square, f([2, 3], 5)], (...parts) => tf.stack(parts, -1)],
  ['Unpack', [cube], (x) => tf.unstack(x, 1)],
  ['Unpack', [f([1, 3])], (x) => tf.unstack(x, 0)],
  ['Reverse', [cube], (x) => tf.reverse(x, [0, -1])],
  ['Slice', [cube], (x) => tf.slice(x, [0, 1], [-1, 2])],
  ['Slice', [cube], (x) => tf.slice(x, [0, 1, 1], [2, 2, 0])],
  ['StridedSlice', [cube], (x) => tf.stridedSlice(x, [1, 2, 3], [0, 0, 0], [1, -1, -2], 0, 0b111)],
  ['StridedSlice', [cube], (x) => tf.stridedSlice(x, [0, -1], [2, 0], [1, 1], 0, 0, 0, 0, 0b10)],
  [
    'PadV2',
    [square],
    (x) =>
      tf.pad(
        x,
        [
          [1, 0],
          [0, 2],
        ],
        7,
      ),
  ],
  ['PadV2', [b([2])], (x) => tf.pad(x, [[1, 2]])],
  [
    'PadV2',
    [whole],
    (x) =>
      tf.pad(
        x,
        [
          [1, 2],
          [0, 0],
        ],
        -1,
      ),
  ],
  [
    'MirrorPad',
    [square],
    (x) =>
      tf.mirrorPad(
        x,
        [
          [1, 1],
          [2, 2],
        ],
        'reflect',
      ),
  ],
  [
    'MirrorPad',
    [square],
    (x) =>
      tf.mirrorPad(
        x,
        [
          [0, 2],
          [3, 1],
        ],
        'symmetric',
      ),
  ],
  ['GatherV2', [cube, i([2, 2], [2, 0, 1, 1])], (x, at) => tf.gather(x, at, 1)],
  ['GatherV2', [cube, i([2, 2], [2, 0, 1, 1])], (x, at) => tf.gather(x, at, 1, 1)],
  ['GatherV2', [cube, i([2, 3, 1], [3, 0, 1, 1, 2, 3])], (x, at) => tf.gather(x, at, 2, 2)],
  ['GatherV2', [cube, i([2, 2], [3, 0, 1, 1])], (x, at) => tf.gather(x, at, 2, 1)],
  ['GatherV2', [b([4]), i([2], [3, 0])], (x, at) => tf.gather(x, at)],
  ['GatherNd', [cube, i([2, 2], [0, 2, 1, 0])], (x, at) => tf.gatherND(x, at)],
  ['ScatterNd', [i([3, 1], [1, 3, 1]), f([3, 2])], (at, x) => tf.scatterND(at as never, x, [4, 2])],
  ['ScatterNd', [i([3, 1], [1, 3, 1]), i([3])], (at, x) => tf.scatterND(at as never, x, [5])],
  [
    'TensorScatterUpdate',
    [square, i([1, 1], [1]), f([1, 3], 9)],
    (x, at, y) => tf.tensorScatterUpdate(x, at as never, y),
  ],
  ['UnsortedSegmentSum', [f([4, 2]), i([4], [1, 0, 1, 7])], (x, ids) => tf.unsortedSegmentSum(x, ids as never, 3)],
  ['UnsortedSegmentSum', [f([4]), i([4], [1, -1, 1, 2])], (x, ids) => tf.unsortedSegmentSum(x, ids as never, 3)],
  ['OneHot', [i([2, 2], [0, 3, -1, 9])], (at) => tf.oneHot(at, 4, 5, -1)],
  ['OneHot', [i([3], [0, 3, 1])], (at) => tf.oneHot(at, 4, 1, 0, 'bool')],
  ['OneHot', [i([3], [0, 300, 1])], (at) => tf.oneHot(at, 301)],
  ['Fill', [square], (x) => tf.add(x, tf.fill([2, 3], 2.5))],
  ['Fill', [], () => tf.fill([20, 30], 3, 'int32')],
  ['ZerosLike', [whole], (x) => tf.zerosLike(x)],
  ['OnesLike', [b([3])], (x) => tf.onesLike(x)],
  [
    'Range',
    [],
    () => [tf.range(0, 5), tf.range(5, 0, -2), tf.range(3, 0), tf.range(0, 300, 1, 'int32'), tf.range(2, 2)],
  ],
  ['LinSpace', [], () => [tf.linspace(0, 1, 7), tf.linspace(2, 9, 1)]],
  ['HoldBack', [square, odd], (x, dy) => holdBack(x, dy)],
  ['HoldBack', [f([]), f([])], (x, dy) => holdBack(x, dy)],
  ['Linear4Bit', [f([3, 8]), bytes([16]), p([2])], (x, ...weight) => linear4Bit(x, weight as never, nf4)],
  [
    'Linear4Bit',
    [f([2, 3, 9]), bytes([23]), bytes([1, 256]), p([1, 1]), f([])],
    (x, ...weight) => linear4Bit(x, weight as never, fp4),
  ],
  ['Dequantize4Bit', [f([1]), bytes([16]), p([2])], (x, ...weight) => dequantize4Bit(weight as never, nf4, x)],
  [
    'Dequantize4Bit',
    [f([1]), bytes([23]), bytes([1, 256]), p([1, 1]), f([])],
    (x, ...weight) => dequantize4Bit(weight as never, fp4, x),
  ],
  ['LinearInt8', [f([3, 11], 1.5), i([5, 11]), p([5])], (x, ...weight) => linearInt8(x, weight as never, int8)],
  ['LinearInt8', [f([3, 11], 2.5), i([5, 11]), p([5])], (x, ...weight) => linearInt8(x, weight as never, int8)],
  [
    'LinearInt8Gradient',
    [f([3, 11]), i([5, 11]), p([5]), f([3, 5], 7)],
    (x, codes, absmax, dy) => tf.grad((at) => tf.sum(tf.mul(linearInt8(at, [codes!, absmax!], int8), dy!)))(x!),
  ],
  ['DequantizeInt8', [i([5, 11]), p([5])], (...weight) => dequantizeInt8(weight as never)],
  [
    'LinearBlocks',
    [f([3, 40]), bytes([5, 2, 16]), p([5, 2]), f([5, 2])],
    (x, ...weight) => linearBlocks(x, weight as never, q4),
  ],
  [
    'DequantizeLinearBlocks',
    [bytes([5, 2, 16]), p([5, 2]), f([5, 2])],
    (...weight) => dequantizeLinearBlocks(weight as never, q4),
  ],
  ['RmsNorm', [cube, f([4])], (x, weight) => rmsNorm(x, weight, 1e-5)],
  ['LayerNorm', [cube, f([4]), p([4])], (x, weight, bias) => layerNorm(x, weight, bias, 1e-5)],
  ['Silu', [special], (x) => silu(x)],
  ['Gelu', [special], (x) => gelu(x)],
  ['GeluTanh', [f([9], 4)], (x) => geluTanh(x)],
  ['SwiGlu', [square, f([2, 3])], (gate, up) => swiGlu(gate, up)],
  ['GeGlu', [square, f([2, 3])], (gate, up) => geGlu(gate, up, { approximate: 'none' })],
  ['GeGluTanh', [square, f([2, 3])], (gate, up) => geGlu(gate, up, { approximate: 'tanh' })],
  ['Rotary', [f([2, 3, 5, 4]), f([1, 1, 5, 2]), f([1, 1, 5, 2], 2)], (x, c, s) => rotary(x, c, s)],
  ['Rotary', [f([2, 3, 5, 4]), f([2, 1, 5, 2]), f([2, 1, 5, 2], 2)], (x, c, s) => rotary(x, c, s)],
  ['ScatterAdd', [f([3, 4]), i([3], [1, 7, 11]), f([3])], (x, at, values) => scatterAdd(x, at, values)],
  ['ScatterAdd', [f([5]), i([2], [3, 3]), f([2])], (x, at, values) => scatterAdd(x, at, values)],
  ['Rotary', [f([2, 1, 150, 4]), f([2, 1, 150, 2]), f([2, 1, 150, 2])], (x, c, s) => rotary(x, c, s)],
];

async function onnx(operands: readonly HostTensor[], call: Call): Promise<HostTensor[]> {
  const backend = createOnnxBackend({ threads: 1 });
  const store = backend.createStore();
  const program: Program = {
    name: 'case',
    inputs: Object.fromEntries(
      operands.map(({ shape, dtype }, index) => [`${index}`, { shape, dtype: dtype as 'float32' }]),
    ),
    body: (io) => {
      const results = [call(...operands.map((_, index) => io.input(`${index}`)))].flat();
      return { outputs: Object.fromEntries(results.map((result, index) => [`${index}`, result])) };
    },
  };
  const executable = await backend.compile(program, store);
  const outputs = await executable.run(Object.fromEntries(operands.map((operand, index) => [`${index}`, operand])));
  await executable.dispose();
  return Object.values(outputs);
}

async function tfjs(operands: readonly HostTensor[], call: Call): Promise<HostTensor[]> {
  await tf.setBackend('cpu');
  tf.engine().startScope('reference');
  const tensors = operands.map(({ data, shape, dtype }) => tf.tensor(data as never, [...shape], dtype as 'float32'));
  const results = [call(...tensors)].flat().map((x) => ({ dtype: x.dtype, shape: x.shape, data: x.dataSync() }));
  tf.engine().endScope();
  return results as HostTensor[];
}

describe('the op table', () => {
  it('has a case for each kernel', () => {
    expect([...new Set(cases.map(([kernel]) => kernel))].sort()).toEqual(Object.keys(opTable).sort());
  });

  it('shares no kernel with the list of those without lowering', () => {
    expect(kernelsWithoutLowering.filter((kernel) => kernel in opTable)).toEqual([]);
  });

  it.each(cases)('%s gives what tfjs gives', async (_, operands, call) => {
    const expected = await tfjs(operands, call);
    const got = await onnx(operands, call);
    expect(got.map(({ dtype, shape }) => ({ dtype, shape }))).toEqual(
      expected.map(({ dtype, shape }) => ({ dtype, shape })),
    );
    for (const [index, { data }] of got.entries()) {
      const reference = expected[index] as HostTensor;
      expect(data.length).toBe(reference.data.length);
      for (const [at, value] of data.entries()) {
        const wanted = reference.data[at] as number;
        const close = Object.is(value, wanted) || Math.abs(value - wanted) <= 3e-7 + 2e-6 * Math.abs(wanted);
        if (!close) expect(`element ${at} is ${value}`).toBe(`element ${at} is ${wanted}`);
      }
    }
  });
});
