import type { Attribute, ElementType, Initializer, OnnxModel, OnnxNode, ValueInfo } from './onnx-model.js';

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly domain?: string;
}

/** Collects nodes and small constants, and hands out names. Values are referred to by name. */
export class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  readonly #described = new Map<string, ValueInfo>();
  readonly #initializers = new Map<string, Initializer>();
  /** From a value to the graph output that it is. */
  readonly #outputNames = new Map<string, string>();
  readonly #shortNames = new Map<string, string>();
  #values = 0;

  /** Adds a node with one output. */
  op(type: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.node(type, inputs, 1, { attributes })[0] as string;
  }

  /** Adds a node with any number of outputs. */
  node(type: string, inputs: readonly string[], outputCount: number, options: NodeOptions = {}): string[] {
    const outputs = Array.from({ length: outputCount }, () => `v${this.#values++}`);
    const { attributes = {}, domain = '' } = options;
    this.#nodes.push({ name: `${type}_${this.#nodes.length}`, type, domain, inputs, outputs, attributes });
    return outputs;
  }

  input(info: ValueInfo): void {
    this.#inputs.push(info);
  }

  /**
   * Declares an output. The node that computes the value writes it under the output's name; a value that no node
   * computes, or that is an output already, goes through an Identity.
   */
  output(info: ValueInfo, value: string): void {
    const computed = isComputed(value) && !this.#outputNames.has(value);
    this.#outputNames.set(computed ? value : this.op('Identity', [value]), info.name);
    this.#outputs.push(info);
  }

  /** Says of a computed value what ONNX Runtime would not find out. */
  describe(info: ValueInfo): void {
    if (isComputed(info.name)) this.#described.set(info.name, info);
  }

  /** A list of int64, such as a shape or axes. Equal constants share one initializer. */
  int64s(values: readonly number[]): string {
    return this.constant('int64', [values.length], values);
  }

  scalar(type: ElementType, value: number): string {
    return this.constant(type, [], [value]);
  }

  /** A small constant inside the model. */
  constant(type: ElementType, shape: readonly number[], values: ArrayLike<number>): string {
    const name = `c_${type}_${shape.join('x')}_${Array.from(values, constantName).join('_')}`;
    const key = name.length > 120 ? this.#shortName(name, type) : name;
    if (!this.#initializers.has(key)) {
      this.#initializers.set(key, { name: key, type, shape, bytes: encode(type, values) });
    }
    return key;
  }

  #shortName(name: string, type: ElementType): string {
    const known = this.#shortNames.get(name) ?? `c_${type}_${this.#initializers.size}`;
    this.#shortNames.set(name, known);
    return known;
  }

  /** The model, without nodes, inputs and constants that no output depends on. */
  model(name: string): OnnxModel {
    const needed = new Set(this.#outputNames.keys());
    const nodes: OnnxNode[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some((output) => needed.has(output))) continue;
      for (const input of node.inputs) needed.add(input);
      nodes.push({
        ...node,
        inputs: node.inputs.map(this.#publicName),
        outputs: node.outputs.map(this.#publicName),
      });
    }
    return {
      name,
      inputs: this.#inputs.filter((input) => needed.has(input.name)),
      outputs: this.#outputs,
      values: [...this.#described.values()].filter(({ name }) => needed.has(name) && !this.#outputNames.has(name)),
      initializers: [...this.#initializers.values()].filter((initializer) => needed.has(initializer.name)),
      nodes: nodes.reverse(),
    };
  }

  readonly #publicName = (value: string): string => this.#outputNames.get(value) ?? value;
}

function isComputed(value: string): boolean {
  return /^v\d+$/.test(value);
}

/** −0 and 0 print alike, and must not share a constant. */
function constantName(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function encode(type: ElementType, values: ArrayLike<number>): Uint8Array {
  switch (type) {
    case 'float32':
      return new Uint8Array(Float32Array.from(values).buffer);
    case 'int32':
      return new Uint8Array(Int32Array.from(values).buffer);
    case 'int64':
      return new Uint8Array(BigInt64Array.from(Array.from(values, BigInt)).buffer);
    case 'float16':
    case 'bfloat16':
    case 'uint16':
      return new Uint8Array(Uint16Array.from(values).buffer);
    case 'int8':
      return new Uint8Array(Int8Array.from(values).buffer);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(values);
  }
}
