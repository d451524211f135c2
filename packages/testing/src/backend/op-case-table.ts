import {
  attention,
  attentionMask,
  checkpoint,
  geGlu,
  gelu,
  geluTanh,
  holdBack,
  layerNorm,
  linear,
  linearCrossEntropy,
  logProbabilities,
  rmsNorm,
  rotary,
  rotaryTable,
  scatterAdd,
  silu,
  swiGlu,
  type Tensor,
  tf,
  weightedLinearCrossEntropy,
} from '@tunesmith/core';
import { codedOpCases } from './coded-op-cases.js';
import {
  approximate,
  type CaseInput,
  differentiable,
  flags,
  float,
  type OpCase,
  positive,
  valued,
  whole,
} from './op-case.js';

/** Equal, broadcast from either side, scalar, empty, and too long for one vector register. */
function pairs(of: (...shape: number[]) => CaseInput): [CaseInput, CaseInput][] {
  return [
    [of(2, 3), of(2, 3)],
    [of(2, 3), of(3)],
    [of(2, 1, 3), of(4, 1)],
    [of(), of(2, 3)],
    [of(0, 3), of(3)],
    [of(37), of(37)],
  ];
}

function binary(name: string, run: (a: Tensor, b: Tensor) => Tensor, of = float): OpCase[] {
  return pairs(of).map((inputs) => differentiable(name, inputs, run));
}

function comparison(name: string, run: (a: Tensor, b: Tensor) => Tensor): OpCase[] {
  const small = (...shape: number[]): CaseInput => whole(-1, 2, ...shape);
  return [
    ...pairs(float).map((inputs) => valued(name, inputs, run)),
    ...pairs(small).map((inputs) => valued(`${name}, int32`, inputs, run)),
  ];
}

function unary(name: string, run: (x: Tensor) => Tensor, of = float, options?: { tolerance: number }): OpCase[] {
  return [of(2, 3), of(41), of(0, 2)].map((input) => differentiable(name, [input], run, options));
}

function reduction(name: string, run: (x: Tensor, axes?: number[], keep?: boolean) => Tensor): OpCase[] {
  return [
    differentiable(`${name} over all`, [float(2, 3)], (x) => run(x)),
    differentiable(`${name} over the last axis`, [float(2, 3, 5)], (x) => run(x, [-1])),
    differentiable(`${name} over the last axis, kept`, [float(2, 3, 33)], (x) => run(x, [2], true)),
    differentiable(`${name} over the first and last axes`, [float(2, 3, 5)], (x) => run(x, [0, 2])),
    differentiable(`${name} over no axis but a single element`, [float(3, 1)], (x) => run(x, [1])),
  ];
}

function products(): OpCase[] {
  const transposed = (a: boolean, b: boolean): OpCase =>
    differentiable(
      `matMul, transposed ${a} ${b}`,
      [a ? float(5, 3) : float(3, 5), b ? float(7, 5) : float(5, 7)],
      (x, y) => tf.matMul(x, y, a, b),
    );
  const batched = (a: boolean, b: boolean): OpCase =>
    differentiable(
      `batched matMul, transposed ${a} ${b}`,
      [a ? float(2, 2, 5, 3) : float(2, 2, 3, 5), b ? float(2, 2, 7, 5) : float(2, 2, 5, 7)],
      (x, y) => tf.matMul(x, y, a, b),
    );
  const both = [false, true].flatMap((a) => [false, true].map((b) => [a, b] as const));
  return [
    ...both.flatMap(([a, b]) => [transposed(a, b), batched(a, b)]),
    differentiable('matMul, one shared factor', [float(1, 3, 5), float(4, 5, 2)], (x, y) => tf.matMul(x, y)),
    differentiable('matMul, long', [float(3, 1025), float(1025, 2)], (x, y) => tf.matMul(x, y), approximate),
    differentiable('linear', [float(2, 3, 5), float(7, 5)], linear),
  ];
}

const arithmetic: OpCase[] = [
  ...binary('add', tf.add),
  ...binary('sub', tf.sub),
  ...binary('mul', tf.mul),
  ...binary('div', tf.div, positive),
  ...binary('maximum', tf.maximum),
  ...binary('minimum', tf.minimum),
  ...binary('squaredDifference', tf.squaredDifference),
  differentiable('pow', [positive(2, 3), float(3)], tf.pow, approximate),
  valued('add, int32', [whole(-9, 9, 2, 3), whole(-9, 9, 3)], tf.add),
  valued('mul, int32', [whole(-9, 9, 2, 3), whole(-9, 9, 3)], tf.mul),
  valued('floorDiv, int32', [whole(0, 50, 7), whole(1, 9, 7)], tf.floorDiv),
  valued('mod, int32', [whole(0, 50, 7), whole(1, 9, 7)], tf.mod),
  differentiable('addN', [float(2, 3), float(2, 3), float(2, 3)], (...xs) => tf.addN(xs)),
];

const pointwise: OpCase[] = [
  ...unary('neg', tf.neg),
  ...unary('abs', tf.abs),
  ...unary('square', tf.square),
  ...unary('sqrt', tf.sqrt, positive),
  ...unary('rsqrt', tf.rsqrt, positive, approximate),
  ...unary('reciprocal', tf.reciprocal, positive),
  ...unary('exp', tf.exp, float, approximate),
  ...unary('log', tf.log, positive, approximate),
  ...unary('log1p', tf.log1p, positive, approximate),
  ...unary('expm1', tf.expm1, float, approximate),
  ...unary('sin', tf.sin, float, approximate),
  ...unary('cos', tf.cos, float, approximate),
  ...unary('tanh', tf.tanh, float, approximate),
  ...unary('sigmoid', tf.sigmoid, float, approximate),
  ...unary('softplus', tf.softplus, float, approximate),
  ...unary('erf', tf.erf, float, approximate),
  ...unary('relu', tf.relu),
  ...unary('sign', tf.sign),
  ...unary('floor', tf.floor),
  ...unary('ceil', tf.ceil),
  ...unary('round', tf.round),
  ...unary('clipByValue', (x) => tf.clipByValue(x, -0.5, 0.7)),
  valued('isNaN', [float(5)], (x) => tf.isNaN(tf.log(x))),
  valued('exp to infinity', [float(4)], (x) => tf.exp(tf.mul(tf.abs(x), 1e4))),
  valued('log of zero', [float(4)], (x) => tf.log(tf.mul(x, 0))),
];

const logic: OpCase[] = [
  ...comparison('equal', tf.equal),
  ...comparison('notEqual', tf.notEqual),
  ...comparison('greater', tf.greater),
  ...comparison('greaterEqual', tf.greaterEqual),
  ...comparison('less', tf.less),
  ...comparison('lessEqual', tf.lessEqual),
  valued('logicalAnd', [flags(3, 4), flags(4)], tf.logicalAnd),
  valued('logicalOr', [flags(3, 4), flags(4)], tf.logicalOr),
  valued('logicalNot', [flags(3, 4)], tf.logicalNot),
  valued('any', [flags(5, 2)], (x) => tf.any(x, -1)),
  valued('all', [flags(5, 2)], (x) => tf.all(x, -1)),
  differentiable('where', [flags(3, 4), float(3, 4), float(3, 4)], (when, a, b) => tf.where(when, a, b)),
  differentiable('where, broadcast', [flags(3, 1), float(3, 4), float()], (when, a, b) => tf.where(when, a, b)),
  differentiable('where, by a comparison', [float(7)], (x) => tf.where(tf.greater(x, 0), tf.square(x), tf.neg(x))),
  valued('cast, float32 to int32', [float(9)], (x) => tf.cast(tf.mul(x, 3), 'int32')),
  valued('cast, int32 to float32', [whole(-9, 9, 9)], (x) => tf.cast(x, 'float32')),
  valued('cast, bool to float32', [flags(9)], (x) => tf.cast(x, 'float32')),
  valued('cast, bool to int32', [flags(9)], (x) => tf.cast(x, 'int32')),
  valued('cast, int32 to bool', [whole(-1, 2, 9)], (x) => tf.cast(x, 'bool')),
];

const reductions: OpCase[] = [
  ...reduction('sum', tf.sum),
  ...reduction('mean', tf.mean),
  ...reduction('max', tf.max),
  ...reduction('min', tf.min),
  valued('sum, int32', [whole(-9, 9, 3, 4)], (x) => tf.sum(x, -1)),
  valued('sum, bool', [flags(3, 4)], (x) => tf.sum(x, -1)),
  valued('prod', [positive(3, 4)], (x) => tf.prod(x, 1)),
  valued('argMax', [float(3, 7)], (x) => tf.argMax(x, -1)),
  valued('argMin', [float(3, 7)], (x) => tf.argMin(x, 0)),
  differentiable('cumsum', [float(3, 5)], (x) => tf.cumsum(x, 1)),
  differentiable('cumsum, exclusive and reversed', [float(3, 5)], (x) => tf.cumsum(x, 1, true, true)),
  differentiable('softmax', [float(2, 3, 17)], (x) => tf.softmax(x), approximate),
  differentiable('logSoftmax', [float(3, 17)], (x) => tf.logSoftmax(x), approximate),
  differentiable('logSumExp', [float(3, 5)], (x) => tf.logSumExp(x, -1), approximate),
  differentiable('topk', [float(3, 7)], (x) => tf.topk(x, 3).values),
  valued('topk, indices', [float(3, 7)], (x) => tf.topk(x, 3).indices),
];

const shaping: OpCase[] = [
  differentiable('reshape', [float(2, 6)], (x) => tf.reshape(x, [3, -1, 2])),
  differentiable('expandDims', [float(2, 6)], (x) => tf.expandDims(x, 1)),
  differentiable('squeeze', [float(2, 1, 6)], (x) => tf.squeeze(x, [1])),
  differentiable('transpose', [float(2, 3, 4)], (x) => tf.transpose(x)),
  differentiable('transpose, by axes', [float(2, 3, 4, 5)], (x) => tf.transpose(x, [0, 2, 1, 3])),
  differentiable('concat', [float(2, 3), float(2, 1), float(2, 4)], (...xs) => tf.concat(xs, -1)),
  differentiable('concat, with an empty part', [float(2, 3), float(0, 3)], (...xs) => tf.concat(xs, 0)),
  differentiable('stack', [float(2, 3), float(2, 3)], (...xs) => tf.stack(xs, 1)),
  differentiable('unstack', [float(2, 3)], (x) => tf.unstack(x, 1)),
  differentiable('split', [float(2, 7)], (x) => tf.split(x, [3, 4], -1)),
  differentiable('slice', [float(4, 5)], (x) => tf.slice(x, [1, 2], [2, -1])),
  differentiable('stridedSlice', [float(5, 6)], (x) => tf.stridedSlice(x, [4, 0], [0, 6], [-2, 3])),
  differentiable('pad', [float(2, 3)], (x) =>
    tf.pad(
      x,
      [
        [1, 0],
        [0, 2],
      ],
      0.5,
    ),
  ),
  differentiable('tile', [float(2, 3)], (x) => tf.tile(x, [2, 3])),
  differentiable('broadcastTo', [float(2, 1, 3)], (x) => tf.broadcastTo(x, [4, 2, 5, 3])),
  differentiable('reverse', [float(2, 3)], (x) => tf.reverse(x, -1)),
  valued('zeros and ones alike', [float(2, 3)], (x) => [tf.zerosLike(x), tf.onesLike(x)]),
  valued('range', [float(1)], (x) => tf.mul(x, tf.range(0, 7))),
  valued('an input, a constant and one tensor twice', [float(2)], (x) => [x, tf.tensor1d([1, 2, 3]), x]),
];

const indexing: OpCase[] = [
  differentiable('gather', [float(7, 3), whole(0, 7, 4)], (x, at) => tf.gather(x, at as never)),
  differentiable('gather, many of few', [float(3, 2), whole(0, 3, 2, 5)], (x, at) => tf.gather(x, at as never)),
  differentiable('gather, along the last axis', [float(2, 5), whole(0, 5, 3)], (x, at) => tf.gather(x, at as never, 1)),
  differentiable('gatherND', [float(3, 4), whole(0, 3, 5, 1)], (x, at) => tf.gatherND(x, at)),
  differentiable('scatterND', [float(5, 2), whole(0, 3, 5, 1)], (x, at) => tf.scatterND(at as never, x, [3, 2])),
  differentiable('unsortedSegmentSum', [float(5, 2), whole(0, 3, 5)], (x, at) =>
    tf.unsortedSegmentSum(x, at as never, 3),
  ),
  valued('oneHot', [whole(0, 5, 2, 3)], (x) => tf.oneHot(x as never, 5)),
];

function rotated(x: Tensor, positions: Tensor): Tensor {
  const { cosine, sine } = rotaryTable(positions, [1, 0.1]);
  return rotary(x, cosine, sine);
}

const extension: OpCase[] = [
  ...unary('silu', silu, float, approximate),
  ...unary('gelu', gelu, float, approximate),
  ...unary('geluTanh', geluTanh, float, approximate),
  differentiable('swiGlu', [float(2, 3, 9), float(2, 3, 9)], swiGlu, approximate),
  differentiable('geGlu', [float(2, 9), float(2, 9)], (a, b) => geGlu(a, b, { approximate: 'none' }), approximate),
  differentiable(
    'geGlu, by tanh',
    [float(2, 9), float(2, 9)],
    (a, b) => geGlu(a, b, { approximate: 'tanh' }),
    approximate,
  ),
  differentiable('rmsNorm', [float(2, 3, 9), float(9)], (x, weight) => rmsNorm(x, weight, 1e-5), approximate),
  differentiable('layerNorm', [float(2, 3, 9), float(9), float(9)], (x, w, b) => layerNorm(x, w, b, 1e-5), approximate),
  differentiable('rotary', [float(2, 3, 5, 4), whole(0, 90, 2, 5)], rotated, approximate),
  differentiable('rotary, equal positions', [float(2, 3, 5, 4), whole(0, 90, 1, 5)], rotated, approximate),
  differentiable('scatterAdd', [float(3, 4, 2), float(3)], (x, values) =>
    scatterAdd(x, tf.tensor1d([1, 7, 22], 'int32'), values),
  ),
  differentiable('scatterAdd, rows', [float(2, 3, 4), float(3, 4)], (x, values) =>
    scatterAdd(x, tf.tensor1d([4, 0, 4], 'int32'), values),
  ),
  differentiable('scatterAdd, nowhere', [float(3, 4), float(0)], (x, values) =>
    tf.mul(scatterAdd(x, tf.tensor1d([], 'int32'), values), tf.add(1, tf.sum(values))),
  ),
  ...attentions(),
  differentiable(
    'linearCrossEntropy',
    [float(6, 4), float(11, 4), whole(0, 11, 6)],
    (h, w, labels) => linearCrossEntropy(h, w, labels),
    approximate,
  ),
  differentiable(
    'linearCrossEntropy, in chunks',
    [float(6, 4), float(11, 4), whole(0, 11, 6)],
    (h, w, labels) => linearCrossEntropy(h, w, labels, { logitsAtOnce: 44 }),
    approximate,
  ),
  differentiable(
    'weightedLinearCrossEntropy',
    [float(6, 4), float(11, 4), whole(0, 11, 6), float(6)],
    (h, w, labels, weights) => weightedLinearCrossEntropy(h, w, labels, weights),
    approximate,
  ),
  differentiable(
    'weightedLinearCrossEntropy, in chunks',
    [float(6, 4), float(11, 4), whole(0, 11, 6), float(6)],
    (h, w, labels, weights) => weightedLinearCrossEntropy(h, w, labels, weights, { logitsAtOnce: 44 }),
    approximate,
  ),
  differentiable('logProbabilities', [float(6, 11), whole(0, 11, 6)], logProbabilities, approximate),
  differentiable('holdBack', [float(2, 3), float(4)], (x, after) => [tf.square(holdBack(x, after)), after]),
  differentiable(
    'checkpoint',
    [float(4, 5), float(5), float(3, 5)],
    (x, norm, weight) =>
      checkpoint(([a, b, c]) => [tf.tanh(linear(rmsNorm(a!, b!, 1e-5), c!)), tf.square(a!)], [x, norm, weight]),
    approximate,
  ),
];

function attentions(): OpCase[] {
  const causal = { scale: 0.5, causal: true };
  const self = [float(2, 4, 5, 3), float(2, 2, 5, 3), float(2, 2, 5, 3)];
  const prefixed = [float(2, 4, 5, 3), float(2, 2, 8, 3), float(2, 2, 8, 3)];
  const long = [float(1, 1, 300, 2), float(1, 1, 300, 2), float(1, 1, 300, 2)];
  const plain =
    (attributes: typeof causal & { window?: number }): OpCase['run'] =>
    (query, key, value) =>
      attention({ query, key, value }, attributes);
  return [
    differentiable('attention', self, plain({ scale: 0.5, causal: false }), approximate),
    differentiable('attention, causal', self, plain(causal), approximate),
    differentiable('attention, after a prefix', prefixed, plain(causal), approximate),
    differentiable('attention, in a window', prefixed, plain({ ...causal, window: 3 }), approximate),
    differentiable('attention, in blocks', long, plain(causal), approximate),
    differentiable('attention, of one query', [float(2, 4, 1, 3), ...prefixed.slice(1)], plain(causal), approximate),
    differentiable(
      'attention, packed',
      [...self, whole(0, 3, 2, 5)],
      (query, key, value, segments) =>
        attention({ query, key, value, mask: attentionMask(segments, segments) }, causal),
      approximate,
    ),
    differentiable(
      'attention, biased',
      [...self, float(1, 4, 5, 5)],
      (query, key, value, mask) => attention({ query, key, value, mask }, causal),
      approximate,
    ),
  ];
}

/** What every backend must compute alike: a new op is one line here. */
export const opCases: readonly OpCase[] = [
  ...arithmetic,
  ...pointwise,
  ...logic,
  ...reductions,
  ...products(),
  ...shaping,
  ...indexing,
  ...extension,
  ...codedOpCases,
];
