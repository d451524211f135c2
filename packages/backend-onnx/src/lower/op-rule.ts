import type { TensorSpec } from '@tunesmith/core';
import type { Attributes, TraceNode, Value } from '../trace/graph.js';
import type { Lowering } from './lowering.js';

/** What folding a call may look at, and answer with. */
export interface ValueMaker {
  fill(spec: TensorSpec, value: number): Value;
  constant(spec: TensorSpec, data: ArrayLike<number>): Value;
  /** The first output of another call instead. */
  call(kernel: string, inputs: readonly Value[], attributes: Attributes): Value;
  /** The call that computes a value, if one does. */
  producer(value: Value): TraceNode | undefined;
}

/** How one TensorFlow.js kernel becomes ONNX: the types of its outputs, then its nodes. */
export interface OpRule {
  /** The outputs' types. Throws an Error saying why where the call cannot be lowered. */
  infer(inputs: readonly Value[], attributes: Attributes): readonly TensorSpec[];
  /** A value that the call equals: an alias, a constant, the result of a simpler call. */
  fold?(inputs: readonly Value[], attributes: Attributes, make: ValueMaker): Value | undefined;
  /** Set where TensorFlow.js expects a list of outputs, even of one. */
  readonly manyOutputs?: true;
  /** Emits the nodes and returns the outputs' names. */
  lower(onnx: Lowering, node: TraceNode): string | readonly string[];
}

/** Rules by kernel name. */
export type OpTable = Readonly<Record<string, OpRule>>;

/** The n-th input of a node whose arity TensorFlow.js guarantees. */
export function inputAt({ inputs }: Pick<TraceNode, 'inputs'>, index: number): Value {
  return inputs[index] as Value;
}
