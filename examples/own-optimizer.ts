/** An optimizer of your own: Lion, which keeps one moment and moves every weight by the same amount. */
import { chain, clipByGlobalNorm, createTrainer, type GradientTransformation, type Tensor, tf } from '@tunesmith/core';
import { openExample } from './open-example.js';

/**
 * Lion (Chen et al. 2023, algorithm 2): θ ← θ − lr · (sign(β₁m + (1 − β₁)g) + decay · θ), then m ← β₂m + (1 − β₂)g.
 */
function lion({ beta1 = 0.9, beta2 = 0.99 } = {}): GradientTransformation {
  const mix = (moment: Tensor, gradient: Tensor, beta: number): Tensor =>
    tf.add(tf.mul(moment, beta), tf.mul(gradient, 1 - beta));
  return {
    name: 'lion',
    slots: ['moment'], // zero at the start, one for each leaf; saved in checkpoints
    update(gradients, leaves) {
      const updates: Record<string, Tensor> = {};
      const state: Record<string, Record<string, Tensor>> = {};
      for (const [name, { parameter, state: old, learningRate, decay }] of Object.entries(leaves)) {
        const gradient = gradients[name]!;
        const direction = tf.add(tf.sign(mix(old.moment!, gradient, beta1)), tf.mul(parameter, decay));
        updates[name] = tf.mul(direction, tf.neg(learningRate));
        state[name] = { moment: mix(old.moment!, gradient, beta2) };
      }
      return { updates, state };
    },
  };
}

const { loaded, options } = await openExample();
const optimizer = chain(clipByGlobalNorm(1), lion());
const trainer = await createTrainer({ ...options, optimizer, learningRate: 2e-3, weightDecay: 0.1 });
for await (const event of trainer.run()) {
  if (event.type === 'step') console.log(`step ${event.step}  loss ${event.loss.toFixed(3)}`);
}
await trainer.dispose();
loaded.dispose();
