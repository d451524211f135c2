import type { Dtype, Shape } from '@tunesmith/core';
import type { Value } from '../trace/graph.js';
import type { Lowering } from './lowering.js';
import { inputAt, type OpRule, type OpTable, type ValueMaker } from './op-rule.js';
import { broadcastShapes } from './shapes.js';

type Formula = (onnx: Lowering, x: string, attributes: Readonly<Record<string, unknown>>) => string;

/** A float function of one tensor. Integers go through float32 and are cut back, as TensorFlow.js's CPU backend does. */
function float(formula: Formula, result?: Dtype): OpRule {
  return {
    infer: ([x]) => [{ shape: (x as Value).shape, dtype: result ?? (x as Value).dtype }],
    lower: (onnx, node) => {
      const x = inputAt(node, 0);
      const y = formula(onnx, x.dtype === 'float32' ? onnx.use(x) : onnx.cast(onnx.use(x), 'float32'), node.attributes);
      const wanted = result ?? x.dtype;
      return wanted === 'float32' || (wanted === 'bool' && result === 'bool') ? y : onnx.cast(y, wanted);
    },
  };
}

/** A function of one tensor that ONNX has for float32 and int32 alike. */
function number(
  formula: (onnx: Lowering, x: string, type: Dtype, attributes: Readonly<Record<string, unknown>>) => string,
): OpRule {
  return {
    infer: ([x]) => [{ shape: (x as Value).shape, dtype: (x as Value).dtype }],
    lower: (onnx, node) => {
      const x = inputAt(node, 0);
      if (x.dtype !== 'bool') return formula(onnx, onnx.use(x), x.dtype, node.attributes);
      return onnx.cast(formula(onnx, onnx.cast(onnx.use(x), 'int32'), 'int32', node.attributes), 'bool');
    },
  };
}

const named =
  (type: string): Formula =>
  (onnx, x) =>
    onnx.op(type, [x]);

/** Kahan's log(1 + x): exact where 1 + x rounds (W. Kahan's note in HP-15C Advanced Functions, 1982). */
function log1p(onnx: Lowering, x: string): string {
  const one = onnx.scalar('float32', 1);
  const u = onnx.op('Add', [x, one]);
  const corrected = onnx.op('Mul', [onnx.op('Log', [u]), onnx.op('Div', [x, onnx.op('Sub', [u, one])])]);
  const limit = onnx.op('Where', [onnx.op('IsInf', [u]), u, corrected]);
  return onnx.op('Where', [onnx.op('Equal', [u, one]), x, limit]);
}

/** Kahan's exp(x) − 1, from the same note. */
function expm1(onnx: Lowering, x: string): string {
  const one = onnx.scalar('float32', 1);
  const u = onnx.op('Exp', [x]);
  const difference = onnx.op('Sub', [u, one]);
  const corrected = onnx.op('Mul', [difference, onnx.op('Div', [x, onnx.op('Log', [u])])]);
  // Where u is far from 1 the plain difference is exact enough, and log(u) may be infinite.
  const near = onnx.op('Less', [onnx.op('Abs', [x]), onnx.scalar('float32', 1)]);
  const plain = onnx.op('Where', [near, corrected, difference]);
  return onnx.op('Where', [onnx.op('Equal', [u, one]), x, plain]);
}

const unary: OpTable = {
  ...Object.fromEntries(
    [
      ...['Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Cos', 'Cosh', 'Sin', 'Sinh', 'Tan', 'Tanh'],
      ...['Ceil', 'Erf', 'Floor', 'Log', 'Reciprocal', 'Round', 'Sigmoid', 'Softplus', 'Sqrt'],
    ].map((type) => [type, float(named(type))]),
  ),
  Exp: float(named('Exp'), 'float32'),
  Expm1: float(expm1),
  Log1p: float(log1p),
  Rsqrt: float((onnx, x) => onnx.op('Reciprocal', [onnx.op('Sqrt', [x])])),
  Elu: float(named('Elu')),
  Selu: float(named('Selu')),
  LeakyRelu: float((onnx, x, { alpha }) => onnx.op('LeakyRelu', [x], { alpha: { float: alpha as number } }), 'float32'),
  Relu: number((onnx, x, type) =>
    type === 'float32' ? onnx.op('Relu', [x]) : onnx.op('Max', [x, onnx.scalar(type, 0)]),
  ),
  Relu6: number((onnx, x, type) => onnx.op('Clip', [x, onnx.scalar(type, 0), onnx.scalar(type, 6)])),
  ClipByValue: number((onnx, x, type, { clipValueMin, clipValueMax }) =>
    onnx.op('Clip', [x, onnx.scalar(type, clipValueMin as number), onnx.scalar(type, clipValueMax as number)]),
  ),
  Step: number((onnx, x, type, { alpha }) => {
    const positive = onnx.op('Greater', [x, onnx.scalar(type, 0)]);
    return onnx.op('Where', [positive, onnx.scalar(type, 1), onnx.scalar(type, (alpha as number | undefined) ?? 0)]);
  }),
  Abs: number((onnx, x) => onnx.op('Abs', [x])),
  Neg: number((onnx, x) => onnx.op('Neg', [x])),
  Sign: number((onnx, x) => onnx.op('Sign', [x])),
  Square: number((onnx, x) => onnx.op('Mul', [x, x])),
  IsNan: float(named('IsNaN'), 'bool'),
  IsInf: float(named('IsInf'), 'bool'),
  IsFinite: float((onnx, x) => onnx.op('Less', [onnx.op('Abs', [x]), onnx.scalar('float32', Infinity)]), 'bool'),
  LogicalNot: {
    infer: ([x]) => [{ shape: (x as Value).shape, dtype: 'bool' }],
    lower: (onnx, node) => onnx.op('Not', [onnx.use(inputAt(node, 0))]),
  },
};

type BinaryFormula = (onnx: Lowering, a: string, b: string, type: Dtype) => string;

function pairShape([a, b]: readonly Value[]): Shape {
  return broadcastShapes((a as Value).shape, (b as Value).shape);
}

/** Both operands as `type`, broadcasting from the smallest tensors that suffice. */
function pair(onnx: Lowering, inputs: readonly Value[], shape: Shape, type: Dtype): [string, string] {
  const names = onnx.operands(inputs, shape);
  const cast = (index: 0 | 1): string =>
    (inputs[index] as Value).dtype === type ? (names[index] as string) : onnx.cast(names[index] as string, type);
  return [cast(0), cast(1)];
}

/** The type two operands meet in; TensorFlow.js has matched them already in all but a few ops. */
function commonType([a, b]: readonly Value[]): Dtype {
  const types = [(a as Value).dtype, (b as Value).dtype];
  return types.includes('float32') ? 'float32' : types.includes('int32') ? 'int32' : 'bool';
}

function arithmetic(formula: BinaryFormula, options: { neutral?: number; result?: Dtype } = {}): OpRule {
  const { neutral, result } = options;
  return {
    infer: (inputs) => [{ shape: pairShape(inputs), dtype: result ?? commonType(inputs) }],
    fold: (inputs, _, make) => (neutral === undefined ? undefined : withoutNeutral(inputs, [0, 1], neutral, make)),
    lower: (onnx, { inputs, outputs }) => {
      const { shape, dtype } = outputs[0] as Value;
      const common = commonType(inputs);
      const type = common === 'bool' ? 'int32' : common;
      const y = formula(onnx, ...pair(onnx, inputs, shape, type), type);
      return type === dtype ? y : onnx.cast(y, dtype);
    },
  };
}

/** The other operand where one of those at `indices` is neutral throughout: gradients of sums multiply by ones. */
function withoutNeutral(
  inputs: readonly Value[],
  indices: readonly number[],
  neutral: number,
  make: ValueMaker,
): Value | undefined {
  const type = commonType(inputs);
  for (const index of indices) {
    const { origin } = inputs[index] as Value;
    const other = inputs[1 - index] as Value;
    if (origin.kind !== 'fill' || origin.value !== neutral || other.dtype !== type) continue;
    return make.call('BroadcastTo', [other], { shape: pairShape(inputs) });
  }
  return undefined;
}

/** As `neutral`, for ops whose second operand alone has a neutral element. */
function rightNeutral(rule: OpRule, neutral: number): OpRule {
  return { ...rule, fold: (inputs, _, make) => withoutNeutral(inputs, [1], neutral, make) };
}

function comparison(type: string, negated = false): OpRule {
  const isEquality = type === 'Equal';
  return {
    infer: (inputs) => [{ shape: pairShape(inputs), dtype: 'bool' }],
    lower: (onnx, { inputs, outputs }) => {
      const common = commonType(inputs);
      const operandType = common === 'bool' && !isEquality ? 'int32' : common;
      const y = onnx.op(type, pair(onnx, inputs, (outputs[0] as Value).shape, operandType));
      return negated ? onnx.op('Not', [y]) : y;
    },
  };
}

function logical(type: string): OpRule {
  return {
    infer: (inputs) => [{ shape: pairShape(inputs), dtype: 'bool' }],
    lower: (onnx, { inputs, outputs }) => onnx.op(type, pair(onnx, inputs, (outputs[0] as Value).shape, 'bool')),
  };
}

/** The remainder with the divisor's sign. Integer division by zero would kill the process: it gives 0, as in tfjs. */
const modulo: BinaryFormula = (onnx, a, b, type) => {
  if (type === 'int32') return onnx.op('Mod', [a, nonZero(onnx, b)]);
  const remainder = onnx.op('Mod', [a, b], { fmod: 1 });
  const shifted = onnx.op('Mod', [onnx.op('Add', [remainder, b]), b], { fmod: 1 });
  const zero = onnx.scalar('float32', 0);
  const sameSign = onnx.op('Equal', [onnx.op('Less', [a, zero]), onnx.op('Less', [b, zero])]);
  return onnx.op('Where', [sameSign, remainder, shifted]);
};

const floorDivide: BinaryFormula = (onnx, a, b, type) => {
  if (type === 'float32') return onnx.cast(onnx.op('Floor', [onnx.op('Div', [a, b])]), 'int32');
  const divisor = nonZero(onnx, b);
  const quotient = onnx.op('Div', [onnx.op('Sub', [a, onnx.op('Mod', [a, divisor])]), divisor]);
  return onnx.op('Where', [isZero(onnx, b), onnx.scalar('int32', 0), quotient]);
};

function isZero(onnx: Lowering, x: string): string {
  return onnx.op('Equal', [x, onnx.scalar('int32', 0)]);
}

function nonZero(onnx: Lowering, x: string): string {
  return onnx.op('Where', [isZero(onnx, x), onnx.scalar('int32', 1), x]);
}

const plain =
  (type: string): BinaryFormula =>
  (onnx, a, b) =>
    onnx.op(type, [a, b]);

const binary: OpTable = {
  Add: arithmetic(plain('Add'), { neutral: 0 }),
  Sub: rightNeutral(arithmetic(plain('Sub')), 0),
  Multiply: arithmetic(plain('Mul'), { neutral: 1 }),
  RealDiv: rightNeutral(arithmetic(plain('Div')), 1),
  FloorDiv: arithmetic(floorDivide, { result: 'int32' }),
  Mod: arithmetic(modulo),
  Pow: arithmetic(plain('Pow')),
  Maximum: arithmetic(plain('Max')),
  Minimum: arithmetic(plain('Min')),
  SquaredDifference: arithmetic((onnx, a, b) => {
    const difference = onnx.op('Sub', [a, b]);
    return onnx.op('Mul', [difference, difference]);
  }),
  Prelu: arithmetic((onnx, x, alpha) => {
    const negative = onnx.op('Less', [x, onnx.scalar('float32', 0)]);
    return onnx.op('Where', [negative, onnx.op('Mul', [x, alpha]), x]);
  }),
  /** Of elu's output y: dy where y ≥ 0, else dy · (y + 1). */
  EluGrad: arithmetic((onnx, dy, y) => {
    const slope = onnx.op('Add', [onnx.op('Min', [y, onnx.scalar('float32', 0)]), onnx.scalar('float32', 1)]);
    return onnx.op('Mul', [dy, slope]);
  }),
  BitwiseAnd: arithmetic(plain('BitwiseAnd')),
  Equal: comparison('Equal'),
  NotEqual: comparison('Equal', true),
  Less: comparison('Less'),
  LessEqual: comparison('LessOrEqual'),
  Greater: comparison('Greater'),
  GreaterEqual: comparison('GreaterOrEqual'),
  LogicalAnd: logical('And'),
  LogicalOr: logical('Or'),
};

const addN: OpRule = {
  infer: (inputs) => [{ shape: (inputs[0] as Value).shape, dtype: (inputs[0] as Value).dtype }],
  lower: (onnx, { inputs }) =>
    inputs.map((value) => onnx.use(value)).reduce((sum, name) => onnx.op('Add', [sum, name])),
};

/** `where(condition, t, e)`. ONNX Runtime has no Where on bool. */
const select: OpRule = {
  infer: (inputs) => [{ shape: (inputs[1] as Value).shape, dtype: commonType(inputs.slice(1)) }],
  lower: (onnx, { inputs, outputs }) => {
    const { shape, dtype } = outputs[0] as Value;
    const type = dtype === 'bool' ? 'uint8' : dtype;
    const [condition, ...branches] = onnx.operands(inputs, shape);
    const [t, e] = branches.map((name, index) => {
      return (inputs[index + 1] as Value).dtype === type ? name : onnx.cast(name, type);
    });
    const chosen = onnx.op('Where', [condition as string, t as string, e as string]);
    return dtype === 'bool' ? onnx.cast(chosen, 'bool') : chosen;
  },
};

/** Elementwise kernels, with TensorFlow.js's broadcasting and types. */
export const elementwise: OpTable = { ...unary, ...binary, AddN: addN, Select: select };
