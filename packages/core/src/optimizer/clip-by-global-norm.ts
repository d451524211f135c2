import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { type GradientTransformation, mapNamed } from './transformation.js';

/** √Σ g² over all leaves, a scalar. */
export function globalNorm(gradients: Named<Tensor>): Tensor {
  const squares = Object.values(gradients).map((gradient) => tf.sum(tf.square(gradient)));
  return tf.sqrt(tf.addN(squares));
}

/**
 * Scales all gradients by min(1, maxNorm / (norm + 1e-6)), as `torch.nn.utils.clip_grad_norm_`
 * (torch/nn/utils/clip_grad.py), and observes the norm before clipping as `gradientNorm`.
 */
export function clipByGlobalNorm(maxNorm: number): GradientTransformation {
  return {
    name: 'clip',
    slots: [],
    update(gradients, _, context) {
      const norm = globalNorm(gradients);
      context.observe('gradientNorm', norm);
      const factor = tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1);
      return { updates: mapNamed(gradients, (gradient) => tf.mul(gradient, factor)), state: {} };
    },
  };
}

/** Observes the global norm and changes nothing: what training without clipping reports. */
export function observeGlobalNorm(): GradientTransformation {
  return {
    name: 'norm',
    slots: [],
    update(gradients, _, context) {
      context.observe('gradientNorm', globalNorm(gradients));
      return { updates: gradients, state: {} };
    },
  };
}
