/** Bottleneck adapters: four architectures by one mechanism, and what each trains and learns in as many steps. */
import { compacter, houlsby, parallel, pfeiffer } from '@tunesmith/adapter';
import { createTrainer, elementCount, type Method } from '@tunesmith/core';
import { openExample } from './open-example.js';

const methods: Method[] = [
  houlsby({ reductionFactor: 4 }),
  pfeiffer({ reductionFactor: 4 }),
  parallel({ reductionFactor: 4, convention: 'paper' }),
  compacter({ reductionFactor: 4, ruleDeviation: 0.1 }),
];
for (const method of methods) {
  const { loaded, options } = await openExample([method]);
  const trained = loaded.model.trained.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const losses: number[] = [];
  const trainer = await createTrainer({ ...options, learningRate: 3e-2, steps: 30 });
  for await (const event of trainer.run()) if (event.type === 'step') losses.push(event.loss);
  await trainer.dispose();
  console.log(`${method.name}: ${trained} numbers, loss ${losses[0]?.toFixed(3)} to ${losses.at(-1)?.toFixed(3)}`);
  loaded.dispose();
}
