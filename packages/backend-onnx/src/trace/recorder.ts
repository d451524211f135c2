import { type TensorSpec, TunesmithError } from '@tunesmith/core';
import type { OpRule, ValueMaker } from '../lower/op-rule.js';
import { callSite } from './call-site.js';
import { type Attributes, describeSpec, elementCount, type Origin, type TraceNode, type Value } from './graph.js';

/** Collects the kernel calls of one trace. */
export class Recorder implements ValueMaker {
  readonly nodes: TraceNode[] = [];
  #values = 0;

  value({ shape, dtype }: TensorSpec, origin: Origin): Value {
    return { id: this.#values++, shape: [...shape], dtype, origin };
  }

  fill(spec: TensorSpec, value: number): Value {
    return this.value(spec, { kind: 'fill', value });
  }

  constant(spec: TensorSpec, data: ArrayLike<number>): Value {
    const first = uniformElement(data);
    return first === undefined ? this.value(spec, { kind: 'constant', data }) : this.fill(spec, first);
  }

  /** Records a call and returns its outputs. Throws OP_UNSUPPORTED, with the caller's place, if it cannot be lowered. */
  call(kernel: string, rule: OpRule | undefined, inputs: readonly Value[], attributes: Attributes): readonly Value[] {
    if (rule === undefined) throw unsupported(kernel, inputs, 'no lowering');
    try {
      const specs = rule.infer(inputs, attributes);
      const folded = this.#fold(rule, specs, inputs, attributes);
      if (folded !== undefined) return [folded];
      const outputs = specs.map((spec) => this.value(spec, { kind: 'computed' }));
      this.nodes.push({ kernel, inputs, attributes, outputs });
      return outputs;
    } catch (error) {
      if (TunesmithError.isInstance(error)) throw error;
      throw unsupported(kernel, inputs, error instanceof Error ? error.message : String(error), error);
    }
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
}

/** The element that all are equal to, if there is one. An empty list counts as zeros. */
function uniformElement(data: ArrayLike<number>): number | undefined {
  const first = Number(data[0] ?? 0);
  for (let index = 1; index < data.length; index++) if (!Object.is(Number(data[index]), first)) return undefined;
  return first;
}

function unsupported(kernel: string, inputs: readonly Value[], why: string, cause?: unknown): TunesmithError {
  const where = callSite();
  return new TunesmithError('OP_UNSUPPORTED', `the ONNX backend cannot run ${kernel} (${why})`, {
    ...(where === undefined ? {} : { where }),
    got: inputs.length === 0 ? 'no inputs' : inputs.map(describeSpec).join(', '),
    hint: 'Express it with other ops, or run the program on backend-tfjs.',
    cause,
  });
}
