/** Four ways to put something trained before every text, and what each is as a file. */
import { createTrainer, exportAdapter, type Method } from '@tunesmith/core';
import { prefixTuning, promptTuning, pTuning, pTuningV2 } from '@tunesmith/prefix';
import { openExample } from './open-example.js';

const methods: [Method, learningRate: number][] = [
  [prefixTuning({ virtualTokens: 4 }), 0.1],
  [pTuningV2({ virtualTokens: 4, dropout: 0 }), 0.1],
  [promptTuning({ virtualTokens: 4, init: 'text', initText: 'The capital of' }), 0.1],
  [pTuning({ virtualTokens: 4 }), 0.02],
];

for (const [method, learningRate] of methods) {
  const { loaded, options } = await openExample([method]);
  const losses: number[] = [];
  const trainer = await createTrainer({ ...options, learningRate, steps: 30 });
  for await (const event of trainer.run()) if (event.type === 'step') losses.push(event.loss);
  await trainer.dispose();
  // What an encoder computes is saved, not the encoder: PEFT's form. Checkpoints of a run hold both.
  const { tensors } = await exportAdapter(loaded.model, method, loaded.parameters, loaded.backend);
  const saved = tensors.map(({ name, shape }) => `${name} [${shape.join(', ')}]`).join(', ');
  console.log(`${method.name}: loss ${losses[0]?.toFixed(3)} → ${losses.at(-1)?.toFixed(3)}, saved as ${saved}`);
  loaded.dispose();
}
