import type { Named } from '@tunesmith/core';
import { GraphBuilder } from '../emit/graph-builder.js';
import type { ElementType, OnnxModel } from '../emit/onnx-model.js';
import { elementCount, type TracedProgram, type Value } from '../trace/graph.js';
import { type BoundInput, Lowering, type StoredFormat, storedInput } from './lowering.js';
import type { OpRule, OpTable } from './op-rule.js';
import { overwriteProof } from './overwrite.js';

export interface LoweredProgram {
  readonly model: OnnxModel;
  /** What to feed to each graph input. */
  readonly bound: readonly BoundInput[];
  /** Graph outputs, by the name of the program's output or of the stored tensor. */
  readonly outputs: ReadonlyMap<string, OutputSpec>;
  readonly updates: ReadonlyMap<string, UpdateSpec>;
}

/** An update that may be written over the tensor it replaces needs no second buffer. */
export type UpdateSpec = OutputSpec & { readonly inPlace: boolean };

/** Below this size a second buffer costs less than the proof that none is needed. */
const provenBytes = 2 ** 16;

export interface OutputSpec {
  readonly graphName: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/**
 * Turns a traced program into an ONNX model. `formatOf` says how the store keeps a tensor, `onGpu` that the host would have
 * to wait for what the device computes.
 */
export function lowerProgram(
  program: TracedProgram,
  rules: OpTable,
  formatOf: (name: string) => StoredFormat,
  onGpu = false,
): LoweredProgram {
  const graph = new GraphBuilder();
  const onnx = new Lowering(graph, formatOf, onGpu);
  for (const node of program.nodes) {
    onnx.beginNode(node);
    const lowered = (rules[node.kernel] as OpRule).lower(onnx, node);
    const names = typeof lowered === 'string' ? [lowered] : lowered;
    for (const [index, output] of node.outputs.entries()) onnx.define(output, names[index] as string);
  }
  const emit = (prefix: string, values: Readonly<Named<Value>>, format: (name: string, value: Value) => StoredFormat) =>
    new Map(
      Object.entries(values).map(([name, value]) => {
        const target = format(name, value);
        const spec: OutputSpec = { graphName: `${prefix}.${name}`, type: target.type, shape: value.shape };
        graph.output({ name: spec.graphName, type: spec.type, shape: spec.shape }, onnx.rounded(value, target));
        return [name, spec];
      }),
    );
  const outputs = emit('output', program.outputs, (_, { dtype }) => ({ dtype, type: dtype }));
  const updates = emit('update', program.updates, formatOf);
  const model = graph.model(program.name);
  const used = new Set(model.inputs.map(({ name }) => name));
  const bound = onnx.bound.filter(({ graphName }) => used.has(graphName));
  return { model, bound, outputs, updates: inPlaceWhereProven(model, updates) };
}

function inPlaceWhereProven(model: OnnxModel, updates: ReadonlyMap<string, OutputSpec>): Map<string, UpdateSpec> {
  const proof = overwriteProof(model);
  return new Map(
    [...updates].map(([name, spec]) => {
      const worthIt = elementCount(spec.shape) * 4 >= provenBytes;
      return [name, { ...spec, inPlace: worthIt && proof(storedInput(name), spec.graphName) }];
    }),
  );
}
