import type { OnnxModel } from './onnx-model.js';

/**
 * Lists a model's nodes so that ONNX Runtime runs them about in the order in which they were made.
 *
 * It runs nodes by a depth-first search from the outputs that visits, of a node's inputs, the one with the largest index
 * first (Graph::ReverseDFSFrom with NodeCompare). In the order of their making, the last gradients come first: the whole
 * backward chain runs before any weight's gradient, which keeps every layer's incoming gradient alive. Listed backwards,
 * each gradient is taken as soon as it can be; a LoRA step on SmolLM2-135M's shape peaks 6 % lower.
 */
export function runInListedOrder(model: OnnxModel): OnnxModel {
  return { ...model, nodes: [...model.nodes].reverse() };
}
