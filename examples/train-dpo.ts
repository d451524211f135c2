/** DPO from the library: pairs of answers, and a reference that is the same model with its adapter off. */
import { join } from 'node:path';
import { createTrainer } from '@tunesmith/core';
import { createDataset, loadChatTemplate } from '@tunesmith/data';
import { dpo } from '@tunesmith/rlhf-dpo';
import { openExample } from './open-example.js';

const { folder, loaded, options } = await openExample();
const rows = await createDataset({
  files: [join(import.meta.dirname, 'recipes/preferences.jsonl')],
  rows: 'preferences',
  tokenizer: loaded.tokenizer,
  template: loadChatTemplate(loaded.tokenizer, 'chatml'),
  maxLength: 128,
  cacheFolder: join(folder, 'cache'),
});
const objective = dpo({ loss: 'sigmoid', beta: 0.1 });
const trainer = await createTrainer({ ...options, objective, rows, learningRate: 2e-3, batchSize: 4, maxLength: 128 });
for await (const event of trainer.run()) {
  if (event.type !== 'step') continue;
  const { 'rewards/margins': margin = 0, 'rewards/accuracies': accuracy = 0 } = event.terms;
  console.log(`loss ${event.loss.toFixed(4)} margin ${margin.toFixed(3)} accuracy ${accuracy}`);
}
await trainer.dispose();
loaded.dispose();
