import type { Value } from '../trace/graph.js';
import { elementCount } from '../trace/graph.js';
import type { Lowering } from './lowering.js';

/**
 * A tensor in a way that no optimizer sees through, and that is not there before `after` is known: what depends on the
 * incoming gradient is neither merged with the forward pass's computation nor scheduled before it. `copies` says whether it
 * may be copied for that, which no kernel does with bytes.
 */
export function heldBack(
  onnx: Lowering,
  name: string,
  shape: readonly number[],
  after: Value,
  copies = onnx.onGpu,
): string {
  if (elementCount(after.shape) === 0) return name;
  return copies ? chosen(onnx, name, shape, after) : reshaped(onnx, name, shape, after);
}

/**
 * A scalar that is false at every run is joined with an element of `after` and added to the shape that the tensor is
 * reshaped to, so that it is neither copied nor changed.
 */
function reshaped(onnx: Lowering, name: string, shape: readonly number[], after: Value): string {
  const rank = after.shape.length;
  const origin = onnx.constant('int64', [1, rank], Array<number>(rank).fill(0));
  const first = rank === 0 ? onnx.reshape(onnx.use(after), [1]) : onnx.op('GatherND', [onnx.use(after), origin]);
  const zero = onnx.cast(onnx.op('And', [onnx.cast(first, 'bool'), onnx.barrier()]), 'int64');
  return onnx.op('Reshape', [name, onnx.op('Add', [onnx.int64s(shape), zero])]);
}

/**
 * An element of `after` chooses between the tensor and the tensor. On a GPU that is a copy, where a shape that depends on
 * `after` has the host wait for all that came before: 121 times in a LoRA step on SmolLM2-135M's shape.
 */
function chosen(onnx: Lowering, name: string, shape: readonly number[], after: Value): string {
  const first = onnx.op('Slice', [onnx.reshape(onnx.use(after), [-1]), onnx.int64s([0]), onnx.int64s([1])]);
  const either = onnx.op('Where', [onnx.cast(first, 'bool'), name, name]);
  return shape.length === 0 ? onnx.reshape(either, []) : either;
}
