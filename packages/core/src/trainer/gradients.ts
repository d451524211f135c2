import { type Named, type Tensor, tf } from '../tensor/tfjs.js';

export interface Differentiated {
  readonly value: Tensor;
  /** In the order of the inputs; null where the value does not depend on one. */
  readonly gradients: readonly (Tensor | null)[];
  /** What `compute` kept beside the value. */
  readonly kept: Named<Tensor>;
}

/**
 * A scalar function's value and its gradients with respect to tensors that exist already, by TensorFlow.js's tape.
 * `keep` lets other results of the computation outlive the tape.
 */
export function differentiate(
  compute: (keep: (name: string, value: Tensor) => void) => Tensor,
  inputs: readonly Tensor[],
): Differentiated {
  const held: Named<Tensor> = {};
  const { value, grads } = tf.engine().gradients(
    () =>
      compute((name, result) => {
        held[name] = tf.keep(tf.clone(result));
      }),
    inputs as Tensor[],
    undefined,
    true,
  );
  const kept = Object.fromEntries(Object.entries(held).map(([name, result]) => [name, tf.clone(result)]));
  for (const result of Object.values(held)) result.dispose();
  return { value, gradients: grads.map((gradient) => gradient ?? null), kept };
}
