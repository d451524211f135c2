import { elementCount, type TracedProgram, type Value } from '../trace/graph.js';

/** Kernels whose output is their first input under another shape: no bytes of its own. */
const aliases = new Set(['Reshape', 'ExpandDims', 'Identity', 'HoldBack']);

/** Kernels that ONNX Runtime computes in place of an input of equal size that nobody reads later. */
const inPlace = new Set(
  'Add,AddN,Sub,Multiply,RealDiv,Maximum,Minimum,Neg,Exp,Log,Sqrt,Rsqrt,Square,Reciprocal,Sigmoid,Tanh,Erf,Softmax,Select'.split(
    ',',
  ),
);

/**
 * The most bytes that a program's intermediate values take at a time, when its nodes run in the order in which they were
 * traced and a value is freed after its last use. Inputs, stored tensors, outputs and updates lie elsewhere.
 */
export function peakActivations({ nodes, outputs, updates }: TracedProgram): number {
  const roots = new Map<number, Value>();
  const rootOf = (value: Value): Value => roots.get(value.id) ?? value;
  for (const { kernel, inputs, outputs: results } of nodes) {
    const [input] = inputs;
    const [result] = results;
    if (aliases.has(kernel) && input !== undefined && result !== undefined) roots.set(result.id, rootOf(input));
  }
  const lastUse = new Map<number, number>();
  nodes.forEach(({ inputs }, index) => {
    for (const input of inputs) lastUse.set(rootOf(input).id, index);
  });
  const kept = new Set([...Object.values(outputs), ...Object.values(updates)].map((value) => rootOf(value).id));

  // What follows a barrier has a shape that ONNX Runtime learns as it runs: it never computes that in place.
  const unplanned = new Set<number>();
  for (const { kernel, inputs, outputs: results } of nodes) {
    if (kernel !== 'HoldBack' && !inputs.some(({ id }) => unplanned.has(id))) continue;
    for (const { id } of results) unplanned.add(id);
  }

  const alive = new Map<number, number>();
  let bytes = 0;
  let peak = 0;
  nodes.forEach(({ kernel, inputs, outputs: results }, index) => {
    const dying = [...new Map(inputs.map((input) => [rootOf(input).id, rootOf(input)])).values()].filter(
      ({ id }) => lastUse.get(id) === index && alive.has(id),
    );
    for (const result of results) {
      if (roots.has(result.id) || kept.has(result.id)) continue;
      const size = byteSize(result);
      const planned = inPlace.has(kernel) && !unplanned.has(result.id);
      const reused = planned ? dying.find(({ id }) => alive.get(id) === size) : undefined;
      if (reused === undefined) bytes += size;
      else alive.delete(reused.id);
      alive.set(result.id, size);
    }
    peak = Math.max(peak, bytes);
    for (const value of [...dying, ...results.filter(({ id }) => !lastUse.has(id))]) {
      bytes -= alive.get(value.id) ?? 0;
      alive.delete(value.id);
    }
  });
  return peak;
}

function byteSize({ shape, dtype }: Value): number {
  return elementCount(shape) * (dtype === 'bool' ? 1 : 4);
}
