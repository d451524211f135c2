import { elementCount, type TracedProgram } from './graph.js';

const products = new Set([
  'BatchMatMul',
  '_FusedMatMul',
  'Linear4Bit',
  'LinearBlocks',
  'LinearInt8',
  'LinearInt8Gradient',
]);

/** Floating-point operations of a program's matrix products: 2 · rows · inner · columns each. */
export function matmulFlops({ nodes }: TracedProgram): number {
  let flops = 0;
  for (const { kernel, inputs, outputs, attributes } of nodes) {
    if (!products.has(kernel)) continue;
    const inner = inputs[0]?.shape.at(attributes.transposeA === true ? -2 : -1) ?? 0;
    flops += 2 * inner * elementCount(outputs[0]?.shape ?? []);
  }
  return flops;
}
