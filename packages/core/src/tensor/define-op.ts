import { type Tensor, tf } from './tfjs.js';

/**
 * An op beyond TensorFlow.js's own: what it computes in terms of other ops, and its gradient.
 * A backend that knows a faster form registers a kernel under `name`; any other runs `compose`.
 */
export interface OpDefinition<Attributes extends object> {
  readonly name: string;
  /** The value, in ops that every backend has. Inputs keep the caller's order; optional ones are trailing. */
  compose(inputs: Tensor[], attributes: Attributes): Tensor[];
  /**
   * For each input, how to compute the gradient of the loss with respect to it, or null where there is none (ids, masks).
   * `inputs` and `outputs` are those of the forward call; `dy` has one tensor per output (zeros where unused).
   */
  gradient(
    dy: Tensor[],
    inputs: Tensor[],
    outputs: Tensor[],
    attributes: Attributes,
  ): ((() => Tensor) | null)[];
  /** How many outputs there are; 1 if not said. */
  readonly outputs?: number;
}

export interface Op<Attributes extends object> {
  (inputs: readonly Tensor[], attributes: Attributes): Tensor[];
  readonly definition: OpDefinition<Attributes>;
}

/**
 * Makes an op whose gradient reaches every input it lists, on every backend.
 * Unlike `tf.customGrad`, which gives captured tensors no gradient without a word, everything an op reads is an input.
 */
export function defineOp<Attributes extends object>(definition: OpDefinition<Attributes>): Op<Attributes> {
  const { name, outputs = 1 } = definition;
  const run = (inputs: readonly Tensor[], attributes: Attributes): Tensor[] => {
    ensureGradient(definition as unknown as OpDefinition<object>, outputs);
    ensureKernel(definition as unknown as OpDefinition<object>);
    const result = tf.engine().runKernel<Tensor | Tensor[]>(name, inputs as never, attributes as never);
    return Array.isArray(result) ? result : [result];
  };
  return Object.assign(run, { definition });
}

function ensureGradient(definition: OpDefinition<object>, outputs: number): void {
  const { name } = definition;
  if (tf.getGradient(name) !== undefined) return;
  tf.registerGradient({
    kernelName: name,
    saveAllInputs: true,
    outputsToSave: Array<boolean>(outputs).fill(true),
    gradFunc: (dy, saved, attributes) => {
      const inputs = saved.slice(0, saved.length - outputs);
      const results = saved.slice(saved.length - outputs);
      const gradients = definition.gradient(Array.isArray(dy) ? dy : [dy], inputs, results, attributes as object);
      return Object.fromEntries(
        gradients.map((gradient, index) => [index, gradient ?? (() => tf.zerosLike(inputs[index] as Tensor))]),
      );
    },
  });
}

function ensureKernel(definition: OpDefinition<object>): void {
  const { name } = definition;
  const backendName = tf.getBackend();
  if (tf.getKernel(name, backendName) !== undefined) return;
  tf.registerKernel({
    kernelName: name,
    backendName,
    kernelFunc: ({ inputs, attrs }) => {
      const tensors = Object.values(inputs) as Tensor[];
      const results = tf.tidy(() => definition.compose(tensors, (attrs ?? {}) as object) as never) as Tensor[];
      return results.length === 1 ? (results[0] as Tensor) : results;
    },
  });
}
