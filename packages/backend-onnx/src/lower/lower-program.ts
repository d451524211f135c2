import { GraphBuilder } from '../emit/graph-builder.js';
import type { ElementType, OnnxModel } from '../emit/onnx-model.js';
import type { TracedProgram, Value } from '../trace/graph.js';
import { type BoundInput, Lowering } from './lowering.js';
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

/** Turns a traced program into an ONNX model. `storedType` says how the store keeps a tensor that the program reads. */
export function lowerProgram(
  program: TracedProgram,
  rules: OpTable,
  storedType: (name: string) => ElementType,
): LoweredProgram {
  const graph = new GraphBuilder();
  const onnx = new Lowering(graph, storedType);
  for (const node of program.nodes) {
    const lowered = (rules[node.kernel] as OpRule).lower(onnx, node);
    const names = typeof lowered === 'string' ? [lowered] : lowered;
    for (const [index, output] of node.outputs.entries()) onnx.define(output, names[index] as string);
  }
  const emit = (
    kind: string,
    values: Readonly<Record<string, Value>>,
    typeOf: (name: string, value: Value) => ElementType,
  ) =>
    new Map(
      Object.entries(values).map(([name, value]) => {
        const output = { graphName: `${kind}.${name}`, type: typeOf(name, value), shape: value.shape };
        const computed = onnx.use(value);
        const stored = output.type === value.dtype ? computed : onnx.cast(computed, output.type);
        graph.output({ name: output.graphName, type: output.type, shape: output.shape }, stored);
        return [name, output];
      }),
    );
  const outputs = emit('output', program.outputs, (_, value) => value.dtype);
  const updates = emit('update', program.updates, (name) => storedType(name));
  const model = graph.model(program.name);
  const used = new Set(model.inputs.map(({ name }) => name));
  return { model, bound: onnx.bound.filter(({ graphName }) => used.has(graphName)), outputs, updates };
}
