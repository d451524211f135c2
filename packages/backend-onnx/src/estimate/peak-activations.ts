import type { MatrixShape } from '@tunesmith/core';
import { elementCount, type TracedProgram, type TraceNode, type Value } from '../trace/graph.js';
import { type Arena, createArena } from './arena.js';
import { planBuffers } from './buffer-plan.js';
import { inExecutionOrder } from './execution-order.js';

/**
 * Bytes that kernels take for themselves, before there is a place for what they compute, and free at their end: those over
 * codes unpack or turn the matrix, and products of bytes round what they multiply.
 */
const scratchBytes: Readonly<Record<string, (node: TraceNode) => number>> = {
  Linear4Bit: (node) => 4 * matrixSize(node),
  Dequantize4Bit: (node) => 4 * matrixSize(node),
  LinearBlocks: (node) => 4 * matrixSize(node),
  DequantizeLinearBlocks: (node) => 4 * matrixSize(node),
  LinearInt8: (node) => Math.max(matrixSize(node) + inputSize(node), 9 * inputSize(node)),
  LinearInt8Gradient: (node) => 9 * inputSize(node),
};

/**
 * The bytes that a program's intermediate values take in an arena when its nodes run as ONNX Runtime orders
 * them and a buffer is freed after the last use of the last value in it. Inputs, stored tensors, outputs and updates lie
 * elsewhere, but for what is stored 16 bits wide: its float32 values are there for each node that reads them.
 */
export function peakActivations(traced: TracedProgram, isHalf: (value: Value) => boolean = () => false): number {
  const program = inExecutionOrder(traced);
  const { nodes, outputs, updates } = program;
  const results = [...Object.values(outputs), ...Object.values(updates)];
  const bufferOf = planBuffers(program, results);
  const kept = new Set(results.map(bufferOf));
  const lastUse = new Map<number, number>();
  nodes.forEach(({ inputs, outputs: made }, index) => {
    for (const value of [...inputs, ...made]) lastUse.set(bufferOf(value), index);
  });

  const arena = createArena();
  const alive = new Map<number, ReturnType<Arena['allocate']>>();
  nodes.forEach((node, index) => {
    const { kernel, inputs, outputs: made } = node;
    const bytes = scratchBytes[kernel]?.(node);
    const scratch = bytes === undefined ? [] : [arena.allocate(bytes)];
    const widened = inputs.filter(isHalf).map((value) => arena.allocate(byteSize(value)));
    for (const value of made.filter((value) => bufferOf(value) === value.id)) {
      const buffer = bufferOf(value);
      if (!alive.has(buffer) && !kept.has(buffer)) alive.set(buffer, arena.allocate(byteSize(value)));
    }
    for (const chunk of [...widened, ...scratch]) arena.release(chunk);
    for (const value of [...inputs, ...made]) {
      const buffer = bufferOf(value);
      const chunk = alive.get(buffer);
      if (chunk === undefined || lastUse.get(buffer) !== index) continue;
      arena.release(chunk);
      alive.delete(buffer);
    }
  });
  return arena.touchedBytes();
}

function byteSize({ shape, dtype }: Value): number {
  return elementCount(shape) * (dtype === 'bool' ? 1 : 4);
}

/** Values of the matrix that a kernel keeps as codes. */
function matrixSize({ attributes }: TraceNode): number {
  const { rows, columns } = attributes as unknown as MatrixShape;
  return rows * columns;
}

function inputSize({ inputs }: TraceNode): number {
  return elementCount(inputs[0]?.shape ?? []);
}
