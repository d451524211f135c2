import { type Tensor, tf } from './tfjs.js';

/** A gradient's thunk per input; null where there is none (ids, masks). */
export type InputGradients<Inputs extends readonly unknown[]> = { [Index in keyof Inputs]: (() => Tensor) | null };

/**
 * An op beyond TensorFlow.js's own: what it computes in terms of other ops, and its gradient.
 * A backend that knows a faster form registers a kernel under `name`; any other runs `compose`.
 * `Inputs` and `Outputs` are tuples of tensors; optional inputs come last.
 */
export interface OpDefinition<
  Attributes extends object = object,
  Inputs extends readonly (Tensor | undefined)[] = readonly Tensor[],
  Outputs extends readonly Tensor[] = readonly [Tensor],
> {
  readonly name: string;
  /** The value, in ops that every backend has. */
  compose(inputs: Inputs, attributes: Attributes): Outputs;
  /**
   * For each input, how to compute the gradient of the loss with respect to it. `inputs` and `outputs` are those of the
   * forward call; `dy` has one tensor per output, zeros for an output that the loss does not reach.
   */
  gradient(dy: Outputs, inputs: Inputs, outputs: Outputs, attributes: Attributes): InputGradients<Inputs>;
  /** How many outputs there are; 1 if not said. */
  readonly outputCount?: number;
}

export type Op<
  Attributes extends object,
  Inputs extends readonly (Tensor | undefined)[],
  Outputs extends readonly Tensor[],
> = (inputs: Inputs, attributes: Attributes) => Outputs;

/** A definition whose tuples are erased: what the registries hold. */
export type AnyOp = OpDefinition<object, readonly Tensor[], readonly Tensor[]>;

/**
 * Makes an op whose gradient reaches every input it lists, on every backend.
 * Unlike `tf.customGrad`, which gives captured tensors no gradient without a word, everything an op reads is an input.
 */
export function defineOp<
  Attributes extends object = object,
  Inputs extends readonly (Tensor | undefined)[] = readonly [Tensor],
  Outputs extends readonly Tensor[] = readonly [Tensor],
>(definition: OpDefinition<Attributes, Inputs, Outputs>): Op<Attributes, Inputs, Outputs> {
  const erased = definition as unknown as AnyOp;
  const outputCount = definition.outputCount ?? 1;
  return (inputs, attributes) => {
    ensureGradient(erased, outputCount);
    ensureKernel(erased);
    const present = inputs.filter((input) => input !== undefined);
    const result = tf.engine().runKernel<Tensor | Tensor[]>(definition.name, present as never, attributes as never);
    return (Array.isArray(result) ? result : [result]) as unknown as Outputs;
  };
}

function ensureGradient(definition: AnyOp, outputCount: number): void {
  const { name } = definition;
  if (tf.getGradient(name) !== undefined) return;
  tf.registerGradient({
    kernelName: name,
    saveAllInputs: true,
    outputsToSave: Array<boolean>(outputCount).fill(true),
    gradFunc: (dy, saved, attributes) => {
      const inputs = saved.slice(0, saved.length - outputCount);
      const results = saved.slice(saved.length - outputCount);
      const gradients = definition.gradient(Array.isArray(dy) ? dy : [dy], inputs, results, attributes as object);
      return Object.fromEntries(inputs.map((input, index) => [index, gradients[index] ?? (() => tf.zerosLike(input))]));
    },
  });
}

/** Registers `compose` as the kernel of the backend in use, unless that has one. */
export function ensureKernel(definition: Pick<AnyOp, 'name' | 'compose'>): void {
  const { name } = definition;
  const backendName = tf.getBackend();
  if (tf.getKernel(name, backendName) !== undefined) return;
  tf.registerKernel({
    kernelName: name,
    backendName,
    kernelFunc: ({ inputs, attrs }) => {
      const tensors = Object.values(inputs) as Tensor[];
      const results: Tensor[] = tf.tidy(() => [...definition.compose(tensors, (attrs ?? {}) as object)]);
      return results.length === 1 ? (results[0] as Tensor) : results;
    },
  });
}
