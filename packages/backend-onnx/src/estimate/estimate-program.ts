import type { Program, ProgramEstimate, StoredSpec, TensorSpec } from '@tunesmith/core';
import { lowerProgram } from '../lower/lower-program.js';
import type { StoredFormat } from '../lower/lowering.js';
import { opTable } from '../lower/op-table.js';
import { elementCount, type TracedProgram, type Value } from '../trace/graph.js';
import { matmulFlops } from '../trace/matmul-flops.js';
import { traceProgram } from '../trace/trace-program.js';
import { peakActivations } from './peak-activations.js';

/** What a program takes, from its trace over stored tensors of these shapes. */
export function estimateProgram(program: Program, stored: ReadonlyMap<string, StoredSpec>): ProgramEstimate {
  const traced = traceProgram(program, new Map([...stored].map(([name, spec]) => [name, read(spec)])), opTable);
  const isHalf = ({ origin }: Value): boolean => origin.kind === 'stored' && is16Bits(stored.get(origin.name)?.dtype);
  return {
    nodes: traced.nodes.length,
    activationBytes: peakActivations(traced, isHalf),
    updateBytes: updateBytes(traced, stored),
    fedBytes: fedBytes(traced),
    matmulFlops: matmulFlops(traced),
    outputs: Object.fromEntries(
      Object.entries(traced.outputs).map(([name, { shape, dtype }]) => [name, { shape, dtype }]),
    ),
  };
}

/** The next values of what is not written over in place. */
function updateBytes(traced: TracedProgram, stored: ReadonlyMap<string, StoredSpec>): number {
  const formatOf = (name: string): StoredFormat => {
    const { dtype } = stored.get(name) as StoredSpec;
    return { dtype, type: dtype === 'bfloat16' ? 'uint16' : dtype };
  };
  const { updates } = lowerProgram(traced, opTable, formatOf);
  return [...updates.values()].reduce((sum, { shape, inPlace }) => sum + (inPlace ? 0 : 4 * elementCount(shape)), 0);
}

/** Programs read 16 bits wide tensors as float32. */
function read({ shape, dtype }: StoredSpec): TensorSpec {
  if (dtype === 'uint8' || dtype === 'int8') return { shape, dtype: 'int32' };
  return { shape, dtype: is16Bits(dtype) ? 'float32' : dtype };
}

function is16Bits(dtype: StoredSpec['dtype'] | undefined): dtype is 'float16' | 'bfloat16' {
  return dtype === 'float16' || dtype === 'bfloat16';
}

const fedKinds: ReadonlySet<Value['origin']['kind']> = new Set(['keepMask', 'uniform', 'constant']);

/** Masks, noise and constants that lie beside the session, to be fed to it. */
function fedBytes({ nodes }: TracedProgram): number {
  const fed = new Map<number, number>();
  for (const { id, origin, shape, dtype } of nodes.flatMap(({ inputs }) => inputs)) {
    if (!fedKinds.has(origin.kind)) continue;
    fed.set(id, elementCount(shape) * (dtype === 'bool' ? 1 : 4));
  }
  return [...fed.values()].reduce((sum, bytes) => sum + bytes, 0);
}
