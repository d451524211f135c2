import type { Attribute } from '../emit/onnx-model.js';
import { elementCount, type TraceNode, type Value } from '../trace/graph.js';
import { dequantize4Bit, linear4Bit } from './four-bit.js';
import { heldBack } from './hold-back.js';
import { dequantizeInt8 } from './int8.js';
import { dequantizeLinearBlocks, linearBlocks } from './linear-blocks.js';
import type { Lowering } from './lowering.js';
import type { OpRule, OpTable } from './op-rule.js';
import { range } from './shapes.js';

const holdBack: OpRule = {
  infer: ([x]) => [x as Value],
  lower: (onnx, { inputs }) => {
    const [x, after] = inputs as readonly [Value, Value];
    return heldBack(onnx, onnx.use(x), x.shape, after);
  },
};

/** A value of the first input's type, made by `lower`. */
function likeFirst(lower: (onnx: Lowering, inputs: readonly string[], node: TraceNode) => string): OpRule {
  return {
    infer: ([x]) => [x as Value],
    lower: (onnx, node) =>
      lower(
        onnx,
        node.inputs.map((value) => onnx.use(value)),
        node,
      ),
  };
}

const epsilonOf = ({ attributes }: TraceNode): Attribute => ({ float: attributes.epsilon as number });

const rmsNorm = likeFirst((onnx, inputs, node) =>
  onnx.op('SimplifiedLayerNormalization', inputs, { axis: -1, epsilon: epsilonOf(node) }),
);

const layerNorm = likeFirst((onnx, inputs, node) =>
  onnx.op('LayerNormalization', inputs, { axis: -1, epsilon: epsilonOf(node) }),
);

/** x · σ(αx) with α = 1. */
const silu = (onnx: Lowering, x: string): string =>
  onnx.node('QuickGelu', [x], 1, { domain: 'com.microsoft', attributes: { alpha: { float: 1 } } })[0] as string;

const gelu =
  (approximate: 'none' | 'tanh') =>
  (onnx: Lowering, x: string): string =>
    onnx.op('Gelu', [x], { approximate });

function activation(curve: (onnx: Lowering, x: string) => string): OpRule {
  return likeFirst((onnx, [x]) => curve(onnx, x as string));
}

function gatedUnit(curve: (onnx: Lowering, x: string) => string): OpRule {
  return likeFirst((onnx, [gate, up]) => onnx.op('Mul', [curve(onnx, gate as string), up as string]));
}

/** Looks angles up by row: those of one sequence, or of each in the batch one after another. */
const rotary = likeFirst((onnx, [x, cosine, sine], { inputs }) => {
  const [batch = 1, , length = 0, half = 0] = (inputs[1] as Value).shape;
  const rows = [batch * length, half];
  const positions = batch === 1 ? onnx.int64s([0]) : onnx.constant('int64', [batch, length], range(batch * length));
  const tables = [cosine, sine].map((table) => onnx.reshape(table as string, rows));
  const [rotated] = onnx.node('RotaryEmbedding', [x as string, positions, ...tables], 1, { domain: 'com.microsoft' });
  return rotated as string;
});

/** Written into one copy of x, where the composed form has zeros, a sum and x at once. */
const scatterAdd: OpRule = {
  infer: ([x]) => [x as Value],
  lower: (onnx, { inputs }) => {
    const [x, positions, values] = inputs as readonly [Value, Value, Value];
    const part = values.shape.slice(1);
    const rows = onnx.reshape(onnx.cast(onnx.use(positions), 'int64'), [...positions.shape, 1]);
    const parts = onnx.reshape(onnx.use(x), [elementCount(x.shape) / elementCount(part), ...part]);
    const sum = onnx.op('ScatterND', [parts, rows, onnx.use(values)], { reduction: 'add' });
    return onnx.reshape(sum, x.shape);
  },
};

/** Ops of core that have a faster or smaller form in ONNX than the composed one; any other op runs composed. */
export const extensionOps: OpTable = {
  HoldBack: holdBack,
  RmsNorm: rmsNorm,
  LayerNorm: layerNorm,
  Silu: activation(silu),
  Gelu: activation(gelu('none')),
  GeluTanh: activation(gelu('tanh')),
  SwiGlu: gatedUnit(silu),
  GeGlu: gatedUnit(gelu('none')),
  GeGluTanh: gatedUnit(gelu('tanh')),
  Rotary: rotary,
  ScatterAdd: scatterAdd,
  Linear4Bit: linear4Bit,
  Dequantize4Bit: dequantize4Bit,
  DequantizeInt8: dequantizeInt8,
  LinearBlocks: linearBlocks,
  DequantizeLinearBlocks: dequantizeLinearBlocks,
};
