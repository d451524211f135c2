import { type Attributes, elementCount, type Value } from '../trace/graph.js';
import type { Lowering } from './lowering.js';
import { inputAt, type OpRule, type OpTable } from './op-rule.js';
import { broadcastShapes, range } from './shapes.js';

function productShape([a, b]: readonly Value[], { transposeA, transposeB }: Attributes): number[] {
  const [left, right] = [(a as Value).shape, (b as Value).shape];
  const rows = left.at(transposeA === true ? -1 : -2) as number;
  const inner = left.at(transposeA === true ? -2 : -1);
  const columns = right.at(transposeB === true ? -2 : -1) as number;
  if (inner !== right.at(transposeB === true ? -1 : -2)) throw new Error('the inner dimensions differ');
  return [...broadcastShapes(left.slice(0, -2), right.slice(0, -2)), rows, columns];
}

/** A Transpose and a MatMul rather than FusedMatMul: ONNX Runtime fuses them on the CPU, and WebGPU runs both. */
function product(onnx: Lowering, inputs: readonly Value[], { transposeA, transposeB }: Attributes): string {
  const [a, b] = inputs as readonly [Value, Value];
  return onnx.op('MatMul', [matrix(onnx, a, transposeA === true), matrix(onnx, b, transposeB === true)]);
}

function matrix(onnx: Lowering, value: Value, transposed: boolean): string {
  const name = value.dtype === 'float32' ? onnx.use(value) : onnx.cast(onnx.use(value), 'float32');
  if (!transposed) return name;
  const rank = value.shape.length;
  return onnx.op('Transpose', [name], { perm: [...range(rank - 2), rank - 1, rank - 2] });
}

const batchMatMul: OpRule = {
  infer: (inputs, attributes) => [{ shape: productShape(inputs, attributes), dtype: (inputs[0] as Value).dtype }],
  fold: (inputs, attributes, make) => {
    const [a] = inputs as readonly [Value];
    const emptySum = elementCount(a.shape) === 0;
    return emptySum ? make.fill({ shape: productShape(inputs, attributes), dtype: a.dtype }, 0) : undefined;
  },
  lower: (onnx, node) => {
    const y = product(onnx, node.inputs, node.attributes);
    const { dtype } = inputAt(node, 0);
    return dtype === 'float32' ? y : onnx.cast(y, dtype);
  },
};

const activations: Readonly<Record<string, string>> = { relu: 'Relu', sigmoid: 'Sigmoid', elu: 'Elu' };

/** `tf.fused.matMul`: a product, a bias, an activation. */
const fusedMatMul: OpRule = {
  infer: (inputs, attributes) => {
    const activation = attributes.activation as string | undefined;
    if (activation !== undefined && activation !== 'linear' && activations[activation] === undefined) {
      throw new Error(`its activation is ${activation}; use matMul and the activation's own op`);
    }
    return [{ shape: productShape(inputs, attributes), dtype: 'float32' }];
  },
  lower: (onnx, { inputs, attributes }) => {
    const bias = inputs[2];
    const y = product(onnx, inputs, attributes);
    const sum = bias === undefined ? y : onnx.op('Add', [y, onnx.use(bias)]);
    const activation = activations[(attributes.activation as string | undefined) ?? 'linear'];
    return activation === undefined ? sum : onnx.op(activation, [sum]);
  },
};

const einsum: OpRule = {
  infer: (inputs, attributes) => {
    const equation = (attributes.equation as string).replaceAll(' ', '');
    const [terms, result] = equation.split('->') as [string, string | undefined];
    if (result === undefined || equation.includes('.')) throw new Error(`its equation is ${equation}`);
    const sizes = new Map<string, number>();
    for (const [index, term] of terms.split(',').entries()) {
      for (const [axis, letter] of [...term].entries())
        sizes.set(letter, (inputs[index] as Value).shape[axis] as number);
    }
    return [{ shape: [...result].map((letter) => sizes.get(letter) as number), dtype: (inputs[0] as Value).dtype }];
  },
  lower: (onnx, { inputs, attributes }) =>
    onnx.op(
      'Einsum',
      inputs.map((value) => onnx.use(value)),
      {
        equation: (attributes.equation as string).replaceAll(' ', ''),
      },
    ),
};

const softmax: OpRule = {
  infer: ([x]) => [{ shape: (x as Value).shape, dtype: 'float32' }],
  lower: (onnx, node) => onnx.op('Softmax', [onnx.use(inputAt(node, 0))], { axis: -1 }),
};

/** x − max − log Σ exp(x − max), in ops that WebGPU has; its LogSoftmax falls back to the CPU. */
const logSoftmax: OpRule = {
  infer: ([x]) => [{ shape: (x as Value).shape, dtype: 'float32' }],
  lower: (onnx, node) => {
    const x = onnx.use(inputAt(node, 0));
    const axes = onnx.int64s([-1]);
    const centred = onnx.op('Sub', [x, onnx.op('ReduceMax', [x, axes], { keepdims: 1 })]);
    const total = onnx.op('ReduceSum', [onnx.op('Exp', [centred]), axes], { keepdims: 1 });
    return onnx.op('Sub', [centred, onnx.op('Log', [total])]);
  },
};

/** Matrix products and the normalisations over a last axis. */
export const products: OpTable = {
  BatchMatMul: batchMatMul,
  _FusedMatMul: fusedMatMul,
  Einsum: einsum,
  Softmax: softmax,
  LogSoftmax: logSoftmax,
};
