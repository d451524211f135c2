import { ensureKernel } from './define-op.js';
import { type Tensor, tf } from './tfjs.js';

type Compute = () => Tensor;

const definition = {
  name: 'StopGradient',
  compose: (_: readonly Tensor[], attributes: object) =>
    [tf.clone((attributes as { compute: Compute }).compute())] as const,
};

/**
 * The value of `compute`, which the gradient takes for a constant. The tape sees one kernel without inputs, so that nothing of
 * what `compute` does is differentiated, not even to zeros.
 */
export function stopGradient(compute: Compute): Tensor {
  ensureKernel(definition);
  return tf.engine().runKernel<Tensor>(definition.name, {}, { compute } as never);
}
