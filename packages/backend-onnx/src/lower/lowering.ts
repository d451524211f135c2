import type { NoiseScope, Shape } from '@tunesmith/core';
import type { GraphBuilder, NodeOptions } from '../emit/graph-builder.js';
import { type Attribute, type ElementType, elementTypeCodes } from '../emit/onnx-model.js';
import { elementCount, type TraceNode, type Value } from '../trace/graph.js';
import { heldBack } from './hold-back.js';
import { broadcastShapes, sameShape } from './shapes.js';

/** What a graph input is fed with at every run. */
export type Binding =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'stored'; readonly name: string }
  | { readonly kind: 'keepMask'; readonly site: string; readonly rate: number }
  | { readonly kind: 'uniform'; readonly site: string; readonly scope: NoiseScope }
  | { readonly kind: 'constant'; readonly data: ArrayLike<number> }
  /** A `false` that the optimizer cannot see: what keeps a recomputation from being merged into the original. */
  | { readonly kind: 'barrier' };

export interface BoundInput {
  readonly graphName: string;
  readonly type: ElementType;
  readonly shape: Shape;
  readonly binding: Binding;
}

/** How the store keeps a tensor. */
export interface StoredFormat {
  /** What its values are: an update is rounded to this. */
  readonly dtype: ElementType;
  /** What sessions are fed. */
  readonly type: ElementType;
}

/** The graph input that a stored tensor is bound to. */
export function storedInput(name: string): string {
  return `stored.${name}`;
}

/** Constants up to this many elements live in the model; larger ones are bound like weights. */
const inlineLimit = 256;

/** Stored tensors of fewer elements are widened once; their float32 values are worth no second node. */
const keptElements = 4096;

const sixteenBits: readonly ElementType[] = ['uint16', 'float16'];

/** A tensor in the ONNX graph. */
interface Operand {
  readonly name: string;
  readonly shape: Shape;
}

/** The state of one lowering: which ONNX value stands for which traced value, and what the graph's inputs are bound to. */
export class Lowering {
  readonly bound: BoundInput[] = [];
  /** Whether the host would have to wait for any shape that the device computes. */
  readonly onGpu: boolean;
  readonly #graph: GraphBuilder;
  readonly #formatOf: (name: string) => StoredFormat;
  readonly #names = new Map<number, string>();
  readonly #results = new Map<string, string>();
  /** The graph inputs of stored tensors of 16 bits. */
  readonly #halves = new Map<number, string>();
  /** Their float32 values, for the node that is being lowered. */
  readonly #widened = new Map<number, string>();
  /** What that node waits for. */
  #awaited: Value | undefined;
  /** Smaller tensors that broadcast to a value. */
  readonly #compact = new Map<number, Operand>();

  constructor(graph: GraphBuilder, formatOf: (name: string) => StoredFormat, onGpu: boolean) {
    this.onGpu = onGpu;
    this.#graph = graph;
    this.#formatOf = formatOf;
  }

  /** A node with one output: the one there is, if an equal node was emitted before. */
  op(type: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const key = `${type} ${inputs} ${JSON.stringify(attributes)}`;
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const output = this.#graph.op(type, inputs, attributes);
    this.#results.set(key, output);
    return output;
  }

  node(type: string, inputs: readonly string[], outputCount: number, options: NodeOptions = {}): string[] {
    return this.#graph.node(type, inputs, outputCount, options);
  }

  /** A value with its type and shape, which ONNX Runtime would not find out, nor those of what is computed from it. */
  described(name: string, type: ElementType, shape: Shape): string {
    this.#graph.describe({ name, type, shape });
    return name;
  }

  int64s(values: readonly number[]): string {
    return this.#graph.int64s(values);
  }

  scalar(type: ElementType, value: number): string {
    return this.#graph.scalar(type, value);
  }

  constant(type: ElementType, shape: Shape, values: ArrayLike<number>): string {
    if (values.length <= inlineLimit) return this.#graph.constant(type, shape, values);
    // No host array of TensorFlow.js's types holds int64; indices fit int32.
    if (type === 'int64') return this.cast(this.constant('int32', shape, values), 'int64');
    return this.#bind({
      graphName: `constant.${this.bound.length}`,
      type,
      shape,
      binding: { kind: 'constant', data: values },
    });
  }

  /** Rounds a float32 to what a stored format holds, and gives it the type that sessions exchange. */
  rounded(value: Value, { dtype, type }: StoredFormat): string {
    const name = this.use(value);
    const rounded = dtype === value.dtype ? name : this.cast(name, dtype);
    if (dtype === type) return rounded;
    return type === 'uint16' ? this.#bits(rounded, type) : this.cast(rounded, type);
  }

  /** The same bits under another type of as many. */
  #bits(name: string, type: ElementType): string {
    return this.op('BitCast', [name], { to: elementTypeCodes[type] });
  }

  cast(name: string, type: ElementType): string {
    return this.op('Cast', [name], { to: elementTypeCodes[type] });
  }

  reshape(name: string, shape: Shape): string {
    return shape.length === 0 || shape.every((size) => size > 0)
      ? this.op('Reshape', [name, this.int64s(shape)])
      : this.op('Reshape', [name, this.int64s(shape)], { allowzero: 1 });
  }

  /** A scalar `false` fed at every run. */
  barrier(): string {
    const existing = this.bound.find(({ binding }) => binding.kind === 'barrier');
    if (existing !== undefined) return existing.graphName;
    return this.#bind({ graphName: 'barrier', type: 'bool', shape: [], binding: { kind: 'barrier' } });
  }

  define(value: Value, name: string): void {
    this.#names.set(value.id, name);
  }

  /** Notes that `value` is `source` broadcast, so that a broadcasting op can read the smaller one. */
  defineCompact(value: Value, source: Operand): void {
    this.#compact.set(value.id, source);
  }

  /** Says that what is used from here on is used by this node. */
  beginNode({ inputs }: TraceNode): void {
    this.#widened.clear();
    this.#awaited = inputs.find(({ origin }) => origin.kind === 'computed' || origin.kind === 'input');
  }

  /** The name of a value at its full shape. */
  use(value: Value): string {
    const known = this.#names.get(value.id) ?? this.#widened.get(value.id);
    if (known !== undefined) return known;
    const { origin } = value;
    if (origin.kind === 'stored' && value.dtype === 'float32') {
      const format = this.#formatOf(origin.name);
      if (sixteenBits.includes(format.type)) return this.#widen(value, origin, format);
    }
    const name = this.#introduce(value);
    this.define(value, name);
    return name;
  }

  /** A value as the store keeps it, and its type there: 16 bits wide, where programs see float32. */
  held(value: Value): { readonly name: string; readonly type: ElementType } {
    const name = this.use(value);
    if (value.origin.kind !== 'stored') return { name, type: value.dtype };
    return { name: storedInput(value.origin.name), type: this.#formatOf(value.origin.name).type };
  }

  /** A value of codes as bytes: what the store keeps, where programs see int32. */
  bytes(value: Value, type: 'uint8' | 'int8' = 'uint8'): string {
    const name = this.use(value);
    if (value.origin.kind !== 'stored' || this.#formatOf(value.origin.name).type !== type) return this.cast(name, type);
    return storedInput(value.origin.name);
  }

  /** Names to give to a broadcasting op whose result has `shape`: scalars for uniform values where that suffices. */
  operands(values: readonly Value[], shape: Shape): string[] {
    const compact = values.map((value) => this.#compactOperand(value));
    const shapes = compact.map((operand, index) => operand?.shape ?? (values[index] as Value).shape);
    const suffices = sameShape(shapes.reduce(broadcastShapes), shape);
    return values.map((value, index) => (suffices ? compact[index]?.name : undefined) ?? this.use(value));
  }

  #compactOperand(value: Value): Operand | undefined {
    const { origin, dtype } = value;
    if (origin.kind === 'fill') return { name: this.scalar(dtype, origin.value), shape: [] };
    return this.#compact.get(value.id);
  }

  /**
   * The float32 values of a tensor that is stored 16 bits wide, made anew for each node that reads them and not before its
   * other operand is there: kept, they would lie in memory from the forward pass to the backward, and ONNX Runtime would
   * make them all up front.
   */
  #widen(value: Value, binding: Binding & { kind: 'stored' }, { dtype, type }: StoredFormat): string {
    const { id, shape } = value;
    const half = this.#halves.get(id) ?? this.#bind({ graphName: storedInput(binding.name), type, shape, binding });
    this.#halves.set(id, half);
    const isSmall = elementCount(shape) < keptElements;
    const held = isSmall || this.#awaited === undefined ? half : heldBack(this, half, shape, this.#awaited);
    const name = this.cast(dtype === type ? held : this.#bits(held, dtype), value.dtype);
    this.#widened.set(id, name);
    return name;
  }

  #introduce({ id, shape, dtype, origin }: Value): string {
    switch (origin.kind) {
      case 'input':
        return this.#bind({ graphName: `input.${origin.name}`, type: dtype, shape, binding: origin });
      case 'keepMask':
        return this.#bind({ graphName: `mask.${origin.site}`, type: dtype, shape, binding: origin });
      case 'uniform':
        return this.#bind({ graphName: `noise.${origin.site}`, type: dtype, shape, binding: origin });
      case 'stored': {
        const { type } = this.#formatOf(origin.name);
        const name = this.#bind({ graphName: storedInput(origin.name), type, shape, binding: origin });
        return type === dtype ? name : this.cast(name, dtype);
      }
      case 'constant':
        return this.constant(dtype, shape, origin.data);
      case 'fill':
        if (elementCount(shape) <= inlineLimit) {
          return this.#graph.constant(dtype, shape, Array<number>(elementCount(shape)).fill(origin.value));
        }
        return this.op('Expand', [this.scalar(dtype, origin.value), this.int64s(shape)]);
      case 'computed':
        throw new Error(`value ${id} is used before the node that computes it`);
    }
  }

  #bind(input: BoundInput): string {
    this.bound.push(input);
    this.#graph.input({ name: input.graphName, type: input.type, shape: input.shape });
    return input.graphName;
  }
}
