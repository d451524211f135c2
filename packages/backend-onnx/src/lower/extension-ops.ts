import type { Value } from '../trace/graph.js';
import type { OpRule, OpTable } from './op-rule.js';

/**
 * `HoldBack(x, dy)` is x in a way that no optimizer sees through: recomputed activations that depend on the incoming
 * gradient are neither merged with the originals nor scheduled before it. A scalar that is false at every run is joined
 * with a bit of dy and added to the shape that x is reshaped to, so that x itself is neither copied nor changed.
 */
const holdBack: OpRule = {
  infer: ([x]) => [x as Value],
  lower: (onnx, { inputs }) => {
    const [x, dy] = inputs as readonly [Value, Value];
    const first = onnx.op('Slice', [onnx.reshape(onnx.use(dy), [-1]), onnx.int64s([0]), onnx.int64s([1])]);
    const zero = onnx.cast(onnx.op('And', [onnx.op('IsNaN', [first]), onnx.barrier()]), 'int64');
    return onnx.op('Reshape', [onnx.use(x), onnx.op('Add', [onnx.int64s(x.shape), zero])]);
  },
};

/** Ops of core that have a better form in ONNX than the composed one; any other op runs composed. */
export const extensionOps: OpTable = { HoldBack: holdBack };
