import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { type GradientTransformation, mapNamed } from './transformation.js';

/** √Σ g² over all leaves, a scalar. */
export function globalNorm(gradients: Named<Tensor>): Tensor {
  const squares = Object.values(gradients).map((gradient) => tf.sum(tf.square(gradient)));
  return tf.sqrt(tf.addN(squares));
}

/**
 * Scales all gradients by min(1, maxNorm / (norm + 1e-6)), as `torch.nn.utils.clip_grad_norm_`
 * (torch/nn/utils/clip_grad.py), and observes the norm before clipping as `gradientNorm`. Leaves that their group clips
 * under a name of its own are scaled by the norm of those alone.
 */
export function clipByGlobalNorm(maxNorm: number): GradientTransformation {
  return {
    name: 'clip',
    slots: [],
    update(gradients, leaves, context) {
      const clipOf = (name: string): string => leaves[name]?.clip ?? '';
      const clips = [...new Set(Object.keys(gradients).map(clipOf))];
      const norms = clips.map((clip) => {
        const own = Object.entries(gradients).filter(([name]) => clipOf(name) === clip);
        return globalNorm(Object.fromEntries(own));
      });
      const [only] = norms;
      const whole = norms.length === 1 ? (only as Tensor) : tf.sqrt(tf.addN(norms.map((norm) => tf.square(norm))));
      context.observe('gradientNorm', whole);
      const factors = norms.map((norm) => tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1));
      const factorOf = (name: string): Tensor => factors[clips.indexOf(clipOf(name))] as Tensor;
      return { updates: mapNamed(gradients, (gradient, name) => tf.mul(gradient, factorOf(name))), state: {} };
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
