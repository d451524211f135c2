import type { Value } from '../trace/graph.js';
import type { OpRule, OpTable } from './op-rule.js';

/**
 * `HoldBack(x, dy)` is x, computed from dy in a way that no optimizer sees through: recomputed activations that depend on
 * the incoming gradient are neither merged with the originals nor scheduled before it. A scalar that is false at every
 * run is joined with a bit of dy and added as 0, so that a NaN in dy does not reach x.
 */
const holdBack: OpRule = {
  infer: ([x]) => [x as Value],
  lower: (onnx, node) => {
    const [x, dy] = node.inputs as readonly [Value, Value];
    const flat = onnx.reshape(onnx.use(dy), [-1]);
    const first = onnx.op('Slice', [flat, onnx.int64s([0]), onnx.int64s([1])]);
    const bit = onnx.op('And', [onnx.op('IsNaN', [first]), onnx.barrier()]);
    const zero = onnx.reshape(onnx.cast(bit, 'float32'), []);
    return onnx.op('Add', [onnx.use(x), zero]);
  },
};

/** Ops of core that have a better form in ONNX than the composed one; any other op runs composed. */
export const extensionOps: OpTable = { HoldBack: holdBack };
