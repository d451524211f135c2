import type { Program, ProgramEstimate, TensorSpec } from '@tunesmith/core';
import { opTable } from '../lower/op-table.js';
import { elementCount } from '../trace/graph.js';
import { matmulFlops } from '../trace/matmul-flops.js';
import { traceProgram } from '../trace/trace-program.js';
import { peakActivations } from './peak-activations.js';

/** What a program takes, from its trace over stored tensors of these shapes. */
export function estimateProgram(program: Program, stored: ReadonlyMap<string, TensorSpec>): ProgramEstimate {
  const traced = traceProgram(program, new Map(stored), opTable);
  return {
    nodes: traced.nodes.length,
    activationBytes: peakActivations(traced),
    updateBytes: Object.values(traced.updates).reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0),
    matmulFlops: matmulFlops(traced),
  };
}
