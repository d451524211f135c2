/** LoRA from the library: load a model, train, save an adapter that Hugging Face PEFT loads too. */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { adamw, chain, clipByGlobalNorm, cosineSchedule, createTrainer, sft } from '@tunesmith/core';
import { createDataset, loadChatTemplate } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { loadModel, saveAdapter } from '@tunesmith/runtime';
import { capitals, smallModel, workFolder } from './small-model.js';

const folder = await workFolder();
const path = await smallModel(folder);
const method = lora({ rank: 8, alpha: 16, targetModules: 'all-linear' });
const loaded = await loadModel({ path, families, methods: [method], backend: createOnnxBackend() });

const { tokenizer } = loaded;
const rows = await createDataset({
  files: [capitals],
  tokenizer,
  template: loadChatTemplate(tokenizer),
  maxLength: 64,
  cacheFolder: join(folder, 'cache'),
});
const trainer = await createTrainer({
  ...loaded,
  objective: sft,
  optimizer: chain(clipByGlobalNorm(1), adamw()),
  schedule: cosineSchedule(0.1),
  learningRate: 1e-2,
  weightDecay: 0,
  rows,
  batchSize: 8,
  steps: 40,
  maxLength: 64,
  padToken: tokenizer.padId,
  seed: 1,
});
for await (const event of trainer.run()) {
  if (event.type === 'step') console.log(`step ${event.step}  loss ${event.loss.toFixed(3)}`);
}
await saveAdapter(loaded, method, join(folder, 'adapter'), { base: path, step: 40 });
console.log(`adapter in ${join(folder, 'adapter')}`);

await trainer.dispose();
loaded.dispose();
