/** A metric of your own, and a run that ends when it no longer improves. */
import { createTrace, createTrainer, type Program, type Tensor, tf } from '@tunesmith/core';
import { openExample } from './open-example.js';

const { loaded, validation, options } = await openExample();
const { model, parameters, backend, tokenizer } = loaded;

/** How many of a row's tokens the model would not have said: argmax over the logits before each. */
const length = 64;
const spec = { shape: [1, length], dtype: 'int32' as const };
const errors: Program = {
  name: 'errors',
  inputs: { ids: spec, positions: spec, targets: spec, counted: { shape: [1, length], dtype: 'float32' } },
  body(io) {
    const t = createTrace(io, {
      training: false,
      resolve: model.resolve,
      read: (handle) => parameters.readIn(io, handle),
    });
    const logits = model.run(t, { ids: io.input('ids'), positions: io.input('positions') }).logits();
    const wrong: Tensor = tf.cast(tf.notEqual(tf.argMax(logits, -1), io.input('targets')), 'float32');
    return { outputs: { wrong: tf.sum(tf.mul(wrong, io.input('counted'))) } };
  },
};

async function errorRate(): Promise<number> {
  const executable = await backend.compile(errors, parameters.tensors);
  let [wrong, all] = [0, 0];
  for await (const { tokens, weights } of validation.rows()) {
    const column = (at: (index: number) => number) => ({
      ...{ dtype: 'int32' as const, shape: [1, length] },
      data: Int32Array.from({ length }, (_, index) => at(index)),
    });
    const counted = Float32Array.from({ length }, (_, index) => ((weights[index + 1] ?? 0) === 1 ? 1 : 0));
    const outputs = await executable.run({
      ids: column((index) => tokens[index] ?? tokenizer.padId),
      positions: column((index) => index),
      targets: column((index) => tokens[index + 1] ?? tokenizer.padId),
      counted: { dtype: 'float32', shape: [1, length], data: counted },
    });
    wrong += outputs.wrong?.data[0] ?? 0;
    all += counted.reduce((sum, each) => sum + each, 0);
  }
  await executable.dispose();
  return wrong / all;
}

const trainer = await createTrainer({
  ...options,
  steps: 60,
  evaluation: {
    rows: () => validation.rows(),
    every: 5,
    measure: async () => ({ errorRate: await errorRate() }),
    best: 'errorRate', // lower is better
    earlyStopping: { patience: 2, minimumImprovement: 0.01 },
  },
});
for await (const event of trainer.run()) {
  if (event.type === 'evaluate') {
    const { step, loss, metrics, best } = event;
    console.log(
      `step ${step}  loss ${loss.toFixed(3)}  errors ${metrics.errorRate?.toFixed(3)}${best ? '  best' : ''}`,
    );
  }
  if (event.type === 'end') console.log(`ended at step ${event.step}: ${event.reason}`);
}
await trainer.dispose();
loaded.dispose();
