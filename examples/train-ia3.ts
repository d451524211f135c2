/** IA³: a few hundred scales, trained, then folded into the weights, so that the model costs nothing more to run. */
import { createTrainer, elementCount, exportAdapter, mergeInPlace } from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { openExample } from './open-example.js';

const method = ia3();
const { loaded, options } = await openExample([method]);
const { model, parameters } = loaded;

const trained = model.trained.reduce((sum, { shape }) => sum + elementCount(shape), 0);
const all = model.handles.reduce((sum, { shape }) => sum + elementCount(shape), 0);
console.log(`${trained} of ${all} numbers train`);

// Ten times LoRA's rate: a scale moves from 1, and its range is what it can do.
const trainer = await createTrainer({ ...options, learningRate: 1e-1, steps: 40 });
for await (const event of trainer.run()) {
  if (event.type === 'step') console.log(`step ${event.step}  loss ${event.loss.toFixed(3)}`);
}
await trainer.dispose();

for (const { name, shape } of (await exportAdapter(model, method, parameters)).tensors) {
  console.log(`${name} [${shape.join(', ')}]`);
}
const merged = await mergeInPlace(model, parameters);
console.log('merged');
await merged.unmerge();
loaded.dispose();
