import type { Dtype, Named, NoiseScope, Shape, TensorSpec } from '@tunesmith/core';

/** Where a value comes from, if no node computes it. */
export type Origin =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'stored'; readonly name: string }
  | { readonly kind: 'keepMask'; readonly site: string; readonly rate: number }
  | { readonly kind: 'uniform'; readonly site: string; readonly scope: NoiseScope }
  | { readonly kind: 'constant'; readonly data: ArrayLike<number> }
  /** Every element is the same number; nothing is materialised. */
  | { readonly kind: 'fill'; readonly value: number }
  | { readonly kind: 'computed' };

/** A tensor of the traced program: its type is known, its elements are not. */
export interface Value {
  readonly id: number;
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly origin: Origin;
}

/** Numbers, flags and lists that came with a kernel call. */
export type Attributes = Readonly<Record<string, unknown>>;

/** One call of a TensorFlow.js kernel. */
export interface TraceNode {
  readonly kernel: string;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  readonly outputs: readonly Value[];
}

/** A program as a list of kernel calls in the order they were made. */
export interface TracedProgram {
  readonly name: string;
  readonly nodes: readonly TraceNode[];
  readonly outputs: Readonly<Named<Value>>;
  readonly updates: Readonly<Named<Value>>;
}

export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** `float32[2,16,576]`. */
export function describeSpec({ dtype, shape }: TensorSpec): string {
  return `${dtype}[${shape.join(',')}]`;
}
