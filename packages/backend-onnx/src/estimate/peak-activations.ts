import { elementCount, type TracedProgram, type Value } from '../trace/graph.js';
import { type Arena, createArena } from './arena.js';
import { planBuffers } from './buffer-plan.js';
import { inExecutionOrder } from './execution-order.js';

/** Kernels that unpack a matrix of their own, before there is a place for what they compute, and free it at their end. */
const unpacking = new Set(['Linear4Bit', 'Dequantize4Bit']);

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
  nodes.forEach(({ kernel, attributes, inputs, outputs: made }, index) => {
    const unpacked = unpacking.has(kernel) ? arena.allocate(unpackedBytes(attributes)) : undefined;
    const widened = inputs.filter(isHalf).map((value) => arena.allocate(byteSize(value)));
    for (const value of made.filter((value) => bufferOf(value) === value.id)) {
      const buffer = bufferOf(value);
      if (!alive.has(buffer) && !kept.has(buffer)) alive.set(buffer, arena.allocate(byteSize(value)));
    }
    for (const chunk of [...widened, ...(unpacked === undefined ? [] : [unpacked])]) arena.release(chunk);
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

function unpackedBytes({ rows, columns }: { readonly rows?: number; readonly columns?: number }): number {
  return 4 * (rows ?? 0) * (columns ?? 0);
}
