import type { TracedProgram, TraceNode } from '../trace/graph.js';

/**
 * A program's nodes in the order in which ONNX Runtime runs them, which is not that of their making: depth first from the
 * results (Graph::ReverseDFSFrom), and of a node's operands the one first that was made first, as `runInListedOrder`
 * lists them. Where nothing else orders two readers of a value, it decides which of them may overwrite it.
 */
export function inExecutionOrder(program: TracedProgram): TracedProgram {
  const { nodes } = program;
  const producers = new Map(nodes.flatMap(({ outputs }, index) => outputs.map(({ id }) => [id, index] as const)));
  const operandsOf = ({ inputs }: TraceNode): number[] => inputs.flatMap(({ id }) => producers.get(id) ?? []);
  const read = new Set(nodes.flatMap(operandsOf));
  const lastFirst = (indices: Iterable<number>): number[] => [...new Set(indices)].sort((a, b) => b - a);

  const ordered: TraceNode[] = [];
  const entered = new Set<number>();
  const stack = lastFirst(nodes.keys())
    .filter((index) => !read.has(index))
    .map((index) => ({ index, isLeft: false }));
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { index, isLeft } = top;
    const node = nodes[index] as TraceNode;
    if (isLeft) ordered.push(node);
    else if (!entered.has(index)) {
      entered.add(index);
      stack.push({ index, isLeft: true });
      for (const operand of lastFirst(operandsOf(node))) stack.push({ index: operand, isLeft: false });
    }
  }
  return { ...program, nodes: ordered };
}
