import { type TensorSpec, TunesmithError } from '@tunesmith/core';
import type { OpRule, OpTable, ValueMaker } from '../lower/op-rule.js';
import { type Attributes, describeSpec, elementCount, type Origin, type TraceNode, type Value } from './graph.js';
import { unsupported } from './unsupported.js';

/**
 * Collects the kernel calls of one trace. A call that was made before, of the same operands, gives the values it gave
 * then: gradients recompute much that is at hand, and every layer makes the same masks. What must be computed once more
 * depends on a HoldBack of its own.
 */
export class Recorder implements ValueMaker {
  readonly nodes: TraceNode[] = [];
  readonly #rules: OpTable;
  readonly #results = new Map<string, readonly Value[]>();
  readonly #producers = new Map<number, TraceNode>();
  #values = 0;

  constructor(rules: OpTable) {
    this.#rules = rules;
  }

  value({ shape, dtype }: TensorSpec, origin: Origin): Value {
    return { id: this.#values++, shape: [...shape], dtype, origin };
  }

  fill(spec: TensorSpec, value: number): Value {
    const key = `fill ${describeSpec(spec)} ${Object.is(value, -0) ? '-0' : value}`;
    return this.#remember(key, () => [this.value(spec, { kind: 'fill', value })])[0] as Value;
  }

  constant(spec: TensorSpec, data: ArrayLike<number>): Value {
    const uniform = uniformElement(data);
    if (uniform !== undefined) return this.fill(spec, uniform);
    const make = (): Value[] => [this.value(spec, { kind: 'constant', data })];
    if (data.length > comparedLimit) return make()[0] as Value;
    return this.#remember(`constant ${describeSpec(spec)} ${Array.from(data)}`, make)[0] as Value;
  }

  producer(value: Value): TraceNode | undefined {
    return this.#producers.get(value.id);
  }

  call(kernel: string, inputs: readonly Value[], attributes: Attributes): Value {
    return this.calls(kernel, inputs, attributes)[0] as Value;
  }

  /** All outputs of a call. Throws OP_UNSUPPORTED, with the site and the caller's place, if it cannot be lowered. */
  calls(kernel: string, inputs: readonly Value[], attributes: Attributes): readonly Value[] {
    const rule = this.#rules[kernel];
    if (rule === undefined) throw cannotRun(kernel, inputs, 'no lowering');
    const key = `${kernel} ${inputs.map(({ id }) => id)} ${JSON.stringify(attributes, exactNumber)}`;
    try {
      return this.#remember(key, () => this.#record(kernel, rule, inputs, attributes));
    } catch (error) {
      if (TunesmithError.isInstance(error)) throw error;
      throw cannotRun(kernel, inputs, error instanceof Error ? error.message : String(error), error);
    }
  }

  #record(kernel: string, rule: OpRule, inputs: readonly Value[], attributes: Attributes): readonly Value[] {
    const specs = rule.infer(inputs, attributes);
    const folded = this.#fold(rule, specs, inputs, attributes);
    if (folded !== undefined) return [folded];
    const outputs = specs.map((spec) => this.value(spec, { kind: 'computed' }));
    const node = { kernel, inputs, attributes, outputs };
    for (const { id } of outputs) this.#producers.set(id, node);
    this.nodes.push(node);
    return outputs;
  }

  #fold(
    rule: OpRule,
    specs: readonly TensorSpec[],
    inputs: readonly Value[],
    attributes: Attributes,
  ): Value | undefined {
    const [only] = specs;
    if (specs.length !== 1 || only === undefined) return undefined;
    if (elementCount(only.shape) === 0) return this.fill(only, 0);
    return rule.fold?.(inputs, attributes, this);
  }

  #remember(key: string, make: () => readonly Value[]): readonly Value[] {
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#results.set(key, made);
    return made;
  }
}

/** JSON has no −0, ∞ or NaN. */
function exactNumber(_: string, value: unknown): unknown {
  if (typeof value !== 'number') return value;
  return Object.is(value, -0) ? '-0' : Number.isFinite(value) ? value : String(value);
}

/** Longer constants are not compared with each other. */
const comparedLimit = 256;

/** The element that all are equal to, if there is one. An empty list counts as zeros. */
function uniformElement(data: ArrayLike<number>): number | undefined {
  const first = Number(data[0] ?? 0);
  for (let index = 1; index < data.length; index++) if (!Object.is(Number(data[index]), first)) return undefined;
  return first;
}

function cannotRun(kernel: string, inputs: readonly Value[], why: string, cause?: unknown): TunesmithError {
  const hint = 'Express it with other ops, or run the program on backend-tfjs.';
  return unsupported(`cannot run ${kernel} (${why})`, inputs, hint, cause);
}
