import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { type GradientTransformation, mapNamed } from './transformation.js';

export interface AdamWOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

/**
 * AdamW (Loshchilov and Hutter 2019, algorithm 2), in torch.optim.AdamW's order of operations and with its defaults:
 * θ ← θ − lr·decay·θ − lr·m̂/(√v̂ + ε), m̂ = m/(1 − β₁ᵗ), √v̂ = √v/√(1 − β₂ᵗ).
 */
export function adamw({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamWOptions = {}): GradientTransformation {
  return {
    name: 'adamw',
    slots: ['mean', 'variance'],
    scalars: (count) => ({
      meanCorrection: 1 / (1 - beta1 ** count),
      deviationCorrection: 1 / Math.sqrt(1 - beta2 ** count),
    }),
    update(gradients, leaves) {
      const state: Named<Named<Tensor>> = {};
      const updates = mapNamed(leaves, ({ parameter, state: old, scalars, learningRate, decay }, name) => {
        const gradient = gradients[name] as Tensor;
        const mean = tf.add(tf.mul(old.mean as Tensor, beta1), tf.mul(gradient, 1 - beta1));
        const variance = tf.add(tf.mul(old.variance as Tensor, beta2), tf.mul(tf.square(gradient), 1 - beta2));
        state[name] = { mean, variance };
        const deviation = tf.mul(tf.sqrt(variance), scalars.deviationCorrection as Tensor);
        const step = tf.div(tf.mul(mean, scalars.meanCorrection as Tensor), tf.add(deviation, epsilon));
        const decayed = decay === 0 ? step : tf.add(step, tf.mul(parameter, decay));
        return tf.mul(decayed, tf.neg(learningRate));
      });
      return { updates, state };
    },
  };
}
