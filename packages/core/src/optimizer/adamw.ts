import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { type GradientTransformation, mapNamed } from './transformation.js';

export interface AdamWOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

/**
 * AdamW (Loshchilov and Hutter 2019, algorithm 2) with torch.optim.AdamW's defaults:
 * θ ← θ − lr·decay·θ − lr·m̂/(√v̂ + ε), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).
 * The corrections are drawn out of the tensors into scalars, as at the end of section 2 of Kingma and Ba 2015:
 * m̂/(√v̂ + ε) = c·m/(√v + ε·√(1 − β₂ᵗ)), c = √(1 − β₂ᵗ)/(1 − β₁ᵗ), two passes over memory fewer.
 */
export function adamw({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamWOptions = {}): GradientTransformation {
  return {
    name: 'adamw',
    slots: ['mean', 'variance'],
    nonNegative: ['variance'],
    scalars: (count) => ({
      correction: Math.sqrt(1 - beta2 ** count) / (1 - beta1 ** count),
      epsilon: epsilon * Math.sqrt(1 - beta2 ** count),
    }),
    update(gradients, leaves) {
      const state: Named<Named<Tensor>> = {};
      const updates = mapNamed(leaves, ({ parameter, state: old, scalars, learningRate, decay }, name) => {
        const gradient = gradients[name] as Tensor;
        const mean = tf.add(tf.mul(old.mean as Tensor, beta1), tf.mul(gradient, 1 - beta1));
        const variance = tf.add(tf.mul(old.variance as Tensor, beta2), tf.mul(tf.square(gradient), 1 - beta2));
        state[name] = { mean, variance };
        const direction = tf.div(mean, tf.add(tf.sqrt(variance), scalars.epsilon as Tensor));
        const step = tf.mul(direction, tf.mul(tf.neg(learningRate), scalars.correction as Tensor));
        return decay === 0 ? step : tf.sub(step, tf.mul(parameter, tf.mul(learningRate, decay)));
      });
      return { updates, state };
    },
  };
}
