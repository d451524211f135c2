import type { TracedProgram, TraceNode, Value } from '../trace/graph.js';

/** Kernels whose output is their first input under another shape: no bytes of its own. */
const aliases = new Set(['Reshape', 'ExpandDims', 'Identity', 'HoldBack']);

/** Kernels that ONNX Runtime computes in place of an operand of equal size that nobody reads later. */
const inPlace = new Set(
  'Add,AddN,Sub,Multiply,RealDiv,Maximum,Minimum,Neg,Exp,Log,Sqrt,Rsqrt,Reciprocal,Sigmoid,Tanh,Erf,Softmax'.split(','),
);

/**
 * Which buffer each value lies in, named by the first value to lie there: ONNX Runtime's plan as it makes it before it
 * runs (PlannerImpl::ComputeReusePlan in onnxruntime/core/framework/allocation_planner.cc). An output takes an operand's
 * buffer where its kernel may, or else the buffer that was freed last of those of its shape and size. A buffer is held
 * from its first value to its last, through the time in which it lies idle. Values whose shapes ONNX Runtime learns only
 * as it runs have buffers of their own.
 * @param kept results, each of which has a buffer of its own that is never given away
 */
export function planBuffers({ nodes }: TracedProgram, kept: readonly Value[]): (value: Value) => number {
  const buffers = new Map<number, number>();
  const bufferOf = ({ id }: Value): number => buffers.get(id) ?? id;
  const computed = new Set<number>();
  const uses = countUses(nodes, kept);
  const isUnknown = unknownShapes(nodes);
  const results = new Set(kept.map(({ id }) => id));
  const free = new Map<string, number[]>();
  const useCount = (buffer: number): number => uses.get(buffer) ?? 0;
  const release = (buffer: number, value: Value): void => {
    if (!computed.has(buffer) || isUnknown(value)) return;
    const size = sizeOf(value);
    free.set(size, [...(free.get(size) ?? []), buffer]);
  };
  const join = (value: Value, buffer: number): void => {
    buffers.set(value.id, buffer);
    uses.set(buffer, useCount(buffer) + useCount(value.id));
  };

  for (const { kernel, inputs, outputs } of nodes) {
    for (const [index, output] of outputs.entries()) {
      const [first] = inputs;
      if (results.has(output.id)) continue;
      if (aliases.has(kernel) && first !== undefined) {
        join(output, bufferOf(first));
        continue;
      }
      computed.add(output.id);
      if (isUnknown(output)) continue;
      const operand =
        index === 0 && inPlace.has(kernel)
          ? inputs
              .slice(0, 2)
              .find(
                (input) => givesWay(input, output) && computed.has(bufferOf(input)) && useCount(bufferOf(input)) === 1,
              )
          : undefined;
      const buffer = operand === undefined ? free.get(sizeOf(output))?.pop() : bufferOf(operand);
      if (buffer !== undefined) join(output, buffer);
    }
    for (const input of inputs) {
      const buffer = bufferOf(input);
      uses.set(buffer, useCount(buffer) - 1);
      if (useCount(buffer) === 0) release(buffer, input);
    }
    for (const output of outputs) if (useCount(bufferOf(output)) === 0) release(bufferOf(output), output);
  }
  return bufferOf;

  function givesWay(input: Value, output: Value): boolean {
    return !isUnknown(input) && sizeOf(input) === sizeOf(output);
  }
}

function countUses(nodes: readonly TraceNode[], kept: readonly Value[]): Map<number, number> {
  const uses = new Map<number, number>();
  for (const { id } of [...nodes.flatMap(({ inputs }) => inputs), ...kept]) uses.set(id, (uses.get(id) ?? 0) + 1);
  return uses;
}

function sizeOf({ shape, dtype }: Value): string {
  return `${dtype === 'bool' ? 1 : 4}: ${shape.join(',')}`;
}

/**
 * What follows a barrier has a shape that ONNX Runtime learns as it runs, until a value is given a shape, or meets one of
 * its own shape that is known.
 */
function unknownShapes(nodes: readonly TraceNode[]): (value: Value) => boolean {
  const unknown = new Set<number>();
  for (const { kernel, inputs, outputs } of nodes) {
    const isHeld = kernel === 'HoldBack';
    if (!isHeld && (kernel === 'Reshape' || !inputs.some(({ id }) => unknown.has(id)))) continue;
    for (const output of outputs) {
      const met = inputs.some((input) => !unknown.has(input.id) && input.shape.join() === output.shape.join());
      if (isHeld || !met) unknown.add(output.id);
    }
  }
  return ({ id }) => unknown.has(id);
}
