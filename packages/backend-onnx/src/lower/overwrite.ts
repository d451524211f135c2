import type { OnnxModel, OnnxNode } from '../emit/onnx-model.js';

/** Nodes that compute element i of their result from elements i of operands of that shape, or from broadcast ones. */
const elementwise = new Set(
  (
    'Abs Add And Cast Ceil Clip Div Equal Erf Exp Floor Greater GreaterOrEqual IsNaN Less LessOrEqual Log Max Min Mul Neg ' +
    'Not Or Pow Reciprocal Relu Round Sigmoid Sign Sqrt Sub Tanh Where'
  ).split(' '),
);

/**
 * Nodes that write a tensor of their own and are never merged into what reads it, nor repeated there. Any other node may
 * vanish in optimisation (a Transpose into its MatMul, a Mul into a scale), so that its readers read its operands.
 */
const materialising = new Set(
  'ArgMax ArgMin CumSum Einsum MatMul ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ScatterND Softmax TopK'.split(
    ' ',
  ),
);

/** Whether the tensor bound to a graph input, of the output's shape and type, may be the buffer of that output. */
export type OverwriteProof = (input: string, output: string) => boolean;

/**
 * Proves for a model which updates may be written over the value that they replace: whatever reads the old value does so
 * before the node that writes runs, in any order of execution and after any fusion.
 *
 * So the writer must be elementwise, every reader must be the writer or one of its ancestors, and what lies between the
 * old value and the writer without a materialising node must be elementwise: it may end up in the writer's own loop.
 */
export function overwriteProof({ nodes }: OnnxModel): OverwriteProof {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const consumers = new Map<string, OnnxNode[]>();
  for (const node of nodes) {
    for (const name of node.inputs) {
      const readers = consumers.get(name);
      if (readers === undefined) consumers.set(name, [node]);
      else readers.push(node);
    }
  }
  const before = (node: OnnxNode): OnnxNode[] => node.inputs.flatMap((name) => producers.get(name) ?? []);
  return (input, output) => {
    const writer = producers.get(output);
    if (writer === undefined || !elementwise.has(writer.type)) return false;
    const readersOf = (name: string): OnnxNode[] => (consumers.get(name) ?? []).filter((node) => node !== writer);
    const readers = reach(readersOf(input), (node) =>
      materialising.has(node.type) ? [] : node.outputs.flatMap(readersOf),
    );
    const ancestors = reach(before(writer), before);
    const fusible = reach(before(writer), (node) => (materialising.has(node.type) ? [] : before(node)));
    return [...readers].every((node) => ancestors.has(node) && (elementwise.has(node.type) || !fusible.has(node)));
  };
}

/** All nodes that repeated steps lead to. */
function reach(start: readonly OnnxNode[], next: (node: OnnxNode) => readonly OnnxNode[]): Set<OnnxNode> {
  const seen = new Set<OnnxNode>();
  const pending = [...start];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    pending.push(...next(node));
  }
  return seen;
}
