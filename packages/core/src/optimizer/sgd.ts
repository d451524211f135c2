import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { type GradientTransformation, mapNamed } from './transformation.js';

/** Stochastic gradient descent with momentum, as torch.optim.SGD: b ← μb + (g + decay·θ), θ ← θ − lr·b. */
export function sgd({ momentum = 0 }: { momentum?: number } = {}): GradientTransformation {
  return {
    name: 'sgd',
    slots: momentum === 0 ? [] : ['momentum'],
    update(gradients, leaves) {
      const state: Named<Named<Tensor>> = {};
      const updates = mapNamed(leaves, ({ parameter, state: old, learningRate, decay }, name) => {
        const gradient = gradients[name] as Tensor;
        let direction = decay === 0 ? gradient : tf.add(gradient, tf.mul(parameter, decay));
        if (momentum !== 0) {
          direction = tf.add(tf.mul(old.momentum as Tensor, momentum), direction);
          state[name] = { momentum: direction };
        }
        return tf.mul(direction, tf.neg(learningRate));
      });
      return { updates, state };
    },
  };
}
