import type { TraceNode, Value } from './graph.js';

/** The nodes that the given values depend on, in their order; the tape records many that nothing reads. */
export function liveNodes(nodes: readonly TraceNode[], roots: readonly Value[]): TraceNode[] {
  const needed = new Set(roots.map(({ id }) => id));
  const live: TraceNode[] = [];
  for (let index = nodes.length - 1; index >= 0; index--) {
    const node = nodes[index] as TraceNode;
    if (!node.outputs.some(({ id }) => needed.has(id))) continue;
    live.push(node);
    for (const { id } of node.inputs) needed.add(id);
  }
  return live.reverse();
}
