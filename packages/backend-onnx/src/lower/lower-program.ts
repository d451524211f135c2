import type { Named } from '@tunesmith/core';
import { GraphBuilder } from '../emit/graph-builder.js';
import type { ElementType, OnnxModel } from '../emit/onnx-model.js';
import type { TracedProgram, Value } from '../trace/graph.js';
import { type BoundInput, Lowering, type StoredFormat } from './lowering.js';
import type { OpRule, OpTable } from './op-rule.js';

export interface LoweredProgram {
  readonly model: OnnxModel;
  /** What to feed to each graph input. */
  readonly bound: readonly BoundInput[];
  /** Graph outputs, by the name of the program's output or of the stored tensor. */
  readonly outputs: ReadonlyMap<string, OutputSpec>;
  readonly updates: ReadonlyMap<string, OutputSpec>;
}

export interface OutputSpec {
  readonly graphName: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** Turns a traced program into an ONNX model. `formatOf` says how the store keeps a tensor. */
export function lowerProgram(
  program: TracedProgram,
  rules: OpTable,
  formatOf: (name: string) => StoredFormat,
): LoweredProgram {
  const graph = new GraphBuilder();
  const onnx = new Lowering(graph, formatOf);
  for (const node of program.nodes) {
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
  return { model, bound: onnx.bound.filter(({ graphName }) => used.has(graphName)), outputs, updates };
}
