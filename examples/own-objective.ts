/** An objective of your own: answers with label smoothing (Szegedy et al. 2016, §7), as a second term beside the loss. */
import { createTrainer, type Objective, sft, type Tensor, tf } from '@tunesmith/core';
import { openExample } from './open-example.js';

/** The part of each target's probability that is spread over the whole vocabulary. */
const smoothing = 0.1;

const smoothed: Objective = {
  ...sft, // its columns and its normaliser, the sum of the loss weights
  name: 'smoothed',
  losses(model, columns, t) {
    const { ids, positions, targetPositions, targets, targetWeights } = columns as Record<string, Tensor>;
    const run = model.run(t, { ids: ids!, positions: positions! });
    const logits = run.logits(targetPositions); // [count, vocabulary]
    const logProbs = tf.logSoftmax(logits);
    const label = tf.sum(tf.mul(logProbs, tf.oneHot(targets as never, model.shape.vocabularySize)), -1); // [count]
    const uniform = tf.mean(logProbs, -1); // [count]
    const sum = (each: Tensor): Tensor => tf.neg(tf.sum(tf.mul(each, targetWeights!)));
    return [
      { name: 'loss', sum: sum(label), per: 'weight', weight: 1 - smoothing },
      { name: 'uniform', sum: sum(uniform), per: 'weight', weight: smoothing },
    ];
  },
};

const { loaded, options } = await openExample();
const trainer = await createTrainer({ ...options, objective: smoothed });
for await (const event of trainer.run()) {
  if (event.type !== 'step') continue;
  console.log(`step ${event.step}  loss ${event.loss.toFixed(3)}  uniform ${event.terms.uniform?.toFixed(3)}`);
}
await trainer.dispose();
loaded.dispose();
