import type { Value } from '../trace/graph.js';
import { elementCount } from '../trace/graph.js';
import type { Lowering } from './lowering.js';

/**
 * A tensor in a way that no optimizer sees through, and that is not there before `after` is known: what depends on the
 * incoming gradient is neither merged with the forward pass's computation nor scheduled before it. A scalar that is false
 * at every run is joined with an element of `after` and added to the shape that the tensor is reshaped to, so that it is
 * neither copied nor changed.
 */
export function heldBack(onnx: Lowering, name: string, shape: readonly number[], after: Value): string {
  if (elementCount(after.shape) === 0) return name;
  const rank = after.shape.length;
  const origin = onnx.constant('int64', [1, rank], Array<number>(rank).fill(0));
  const first = rank === 0 ? onnx.reshape(onnx.use(after), [1]) : onnx.op('GatherND', [onnx.use(after), origin]);
  const zero = onnx.cast(onnx.op('And', [onnx.cast(first, 'bool'), onnx.barrier()]), 'int64');
  return onnx.op('Reshape', [name, onnx.op('Add', [onnx.int64s(shape), zero])]);
}
